"""The studies: name -> what it asks, in a line. Each is a module of this package with a `STUDY`."""

STUDIES = {
    "architectures": "Do nets of one architecture explain themselves alike?",
    "aopc": "Does the AOPC compare explainers, and can it compare nets?",
    "methods": "Nine methods side by side: which curve falls fastest, whose maps are simplest, and what runs on what?",
    "robustness": "How far do explanations move when the image is turned or noisy?",
    "table1": "How well do two nets of a course project classify, and do CAMs mark what they need?",
    "sanity": "Do maps depend on what a net has learned?",
    "bias": "Do maps show a shortcut that a net has taken, and how many must one look at?",
    "ground_truth": "Which explainer finds the evidence where it is known, and which faithfulness metric tells?",
}
