"""The classes a model predicts for changed inputs, for the metrics that ask whether a prediction held."""

import numpy as np
import tensorflow as tf

from kerasxai.targets import ranked_classes, select


def predicted_classes(samples, inputs):
    """The class predicted for other inputs of the same samples: int32 `(samples,)`."""

    def make():
        score = samples.scored.score

        def predict(inputs, target):
            outputs, _ = score.outputs(list(inputs), target)
            return ranked_classes(score, outputs, target, 1)[:, 0]

        return predict

    return samples.run("predicted classes", make, inputs)


def scores_and_classes(samples, inputs):
    """Scores of other inputs of the same samples and the classes predicted for them, from one run of the model.

    Returns:
        float32 `(samples,)` and int32 `(samples,)`; None for the classes where what is scored is no class.
    """
    if not samples.have_classes:
        return samples.scores(inputs), None

    def make():
        score = samples.scored.score

        def run(inputs, target):
            outputs, _ = score.outputs(list(inputs), target)
            predicted = ranked_classes(score, outputs, target, 1)[:, 0]
            scores = select(score, outputs, target)
            return tf.stack([scores, tf.cast(predicted, scores.dtype)], axis=1)

        return run

    scores, predicted = samples.run("scores and classes", make, inputs).T
    return scores, predicted.astype(np.int32)
