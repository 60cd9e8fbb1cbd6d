"""The classes a model predicts for changed inputs, for the metrics that ask whether a prediction held."""

from kerasxai.targets import ranked_classes


def has_classes(samples):
    """Whether what is scored is a class, so that a prediction can hold or not."""
    what = samples.target[0] if isinstance(samples.target, tuple) else samples.target
    return not callable(what) and not samples.are_values


def predicted_classes(samples, inputs):
    """The class predicted for other inputs of the same samples: int32 `(samples,)`."""

    def make():
        score = samples.scored.score

        def predict(inputs, target):
            outputs, _ = score.outputs(list(inputs))
            return ranked_classes(score, outputs[target.output], target.output, 1)[:, 0]

        return predict

    return samples.run("predicted classes", make, inputs)
