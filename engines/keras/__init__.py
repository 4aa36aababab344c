"""The reference convnet in Keras on TensorFlow. The mirror package is engines/pytorch: the same files, the same names."""
