"""The studies: name -> what it asks, in a line. Each is a module of this package with a `STUDY`."""

STUDIES = {
    "robustness": "How far do explanations move when the image is turned or noisy?",
    "sanity": "Do maps depend on what a net has learned?",
    "bias": "Do maps show a shortcut that a net has taken, and how many must one look at?",
    "ground_truth": "Which explainer finds the evidence where it is known, and which faithfulness metric tells?",
}
