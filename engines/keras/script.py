"""The MNIST convnet in Keras, as a plain script."""

import keras
from keras import layers

# Hyperparameters

SEED = 0
EPOCHS = 12
BATCH_SIZE = 128
LEARNING_RATE = 1.0
RHO = 0.95
EPSILON = 1e-07
DROPOUT = 0.25

# Data

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = x_train[..., None].astype("float32") / 255
x_test = x_test[..., None].astype("float32") / 255

# Model

keras.utils.set_random_seed(SEED)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(DROPOUT),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(2 * DROPOUT),
        layers.Dense(10, activation="softmax"),
    ]
)

# Optimizer

model.compile(
    optimizer=keras.optimizers.Adadelta(LEARNING_RATE, rho=RHO, epsilon=EPSILON),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)

# Train

history = model.fit(
    x_train,
    y_train,
    batch_size=BATCH_SIZE,
    epochs=EPOCHS,
    validation_data=(x_test, y_test),
    verbose=2,
)

# Evaluate

test_loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"test loss {test_loss:.4f}, accuracy {accuracy:.2%}")
