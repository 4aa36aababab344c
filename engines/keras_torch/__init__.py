"""The reference convnet in Keras on PyTorch; what Keras' backends share is in engines/keras."""
