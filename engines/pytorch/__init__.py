"""The reference convnet in PyTorch. The mirror package is engines/keras: the same files, the same names."""
