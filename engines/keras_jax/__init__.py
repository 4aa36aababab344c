"""The reference convnet in Keras on JAX; what Keras' backends share is in engines/keras."""
