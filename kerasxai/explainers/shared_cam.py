"""Several class activation maps of the same layers from one forward and one backward pass."""

from kerasxai.explainers.cam import ActivationGradientCAM


class SharedCAM:
    """Several CAMs of the same layers and score, from one forward and one backward pass: a dict name -> maps.

    Args:
        explainers: List of `ActivationGradientCAM`s.
    """

    def __init__(self, explainers):
        self.explainers = explainers

    def __call__(self, x, target=None, y=None):
        for explainer in self.explainers:
            explainer.refresh()
        generations = tuple(explainer.generation for explainer in self.explainers)
        first = self.explainers[0]
        arrays, structure = first.run(self._maps, x, target, y, key=(self._maps, generations))
        return {explainer.name: explainer.finish(arrays[explainer.name], structure) for explainer in self.explainers}

    def _maps(self, inputs, target):
        first = self.explainers[0]
        paths = first.layers_for(target.output)
        shared = first.activations_and_gradients(inputs, target, paths)
        results = {}
        for explainer in self.explainers:
            maps = explainer.maps_of(*shared, paths)
            sized = {path: explainer.at_input_size(path, of_layer, inputs) for path, of_layer in maps.items()}
            results[explainer.name] = explainer.combine_layers(sized)
        return results


def shared_groups(explainers):
    """Lists of explainers that can share one (A, G): same layers, score and batch size."""
    groups = {}
    for explainer in explainers:
        if isinstance(explainer, ActivationGradientCAM):
            key = (str(explainer.layer), explainer.score, explainer.batch_size)
            groups.setdefault(key, []).append(explainer)
    return [group for group in groups.values() if len(group) > 1]
