"""The classes a model predicts for changed inputs, for the metrics that ask whether a prediction held."""

from kerasxai.targets import ranked_classes, select


def predicted_classes(samples, inputs):
    """The class predicted for other inputs of the same samples: int32 `(samples,)`."""
    score = samples.scored.score

    def predict(inputs, target):
        outputs, _ = score.outputs(inputs, target)
        return ranked_classes(score, outputs, target, 1)[:, 0]

    return samples.run("predicted classes", predict, inputs)


def scores_and_classes(samples, inputs):
    """Scores of other inputs of the same samples and the classes predicted for them, from one run of the model.

    Returns:
        float32 `(samples,)` and int32 `(samples,)`; None for the classes where what is scored is no class.
    """
    if not samples.have_classes:
        return samples.scores(inputs), None
    score = samples.scored.score

    def run(inputs, target):
        outputs, _ = score.outputs(inputs, target)
        return select(score, outputs, target), ranked_classes(score, outputs, target, 1)[:, 0]

    return samples.run("scores and classes", run, inputs)
