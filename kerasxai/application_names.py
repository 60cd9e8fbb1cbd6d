"""What the nets of Keras Applications are called; read without TensorFlow."""

import re

# Module of keras.applications -> pattern of its nets' names, in lower case; layer names, in execution order, that no
# net of another module has.
MODULES = {
    "convnext": (r"convnext_?(tiny|small|base|large|xlarge)", r"\S+_stage_0_block_0_depthwise_conv"),
    "densenet": (r"densenet(121|169|201)", "conv2_block1_concat"),
    "efficientnet": (r"efficientnet_?b[0-7]", "block1a_dwconv"),
    "efficientnet_v2": (r"efficientnet_?v2[-_]?(b[0-3]|s|m|l)", "block1a_project_activation"),
    "inception_resnet_v2": (r"inception_?resnet_?v2", "mixed_5b"),
    "inception_v3": (r"inception_?v3", "mixed0"),
    "mobilenet": (r"mobilenet(_[\d.]+_\w+)?", "conv_dw_1"),
    "mobilenet_v2": (r"mobilenet_?v2(_[\d.]+_\w+)?", "bn_Conv1"),
    "mobilenet_v3": (r"mobilenet_?v3_?(small|large)", "expanded_conv_project_bn"),
    "nasnet": (r"nasnet(_?(mobile|large))?", "stem_bn1"),
    "resnet": (r"resnet(50|101|152)", "conv2_block1_add"),
    "resnet_v2": (r"resnet(50|101|152)_?v2", "conv2_block1_preact_bn"),
    "vgg16": (r"vgg_?16", "block3_conv3 block3_pool"),
    "vgg19": (r"vgg_?19", "block3_conv4 block3_pool"),
    "xception": (r"xception", "block2_sepconv1"),
}


def module_of_name(name):
    """The module of keras.applications of a net's or module's name, None if nothing there is called so."""
    name = name.lower()
    modules = [module for module, (pattern, _) in MODULES.items() if name == module or re.fullmatch(pattern, name)]
    return modules[0] if modules else None
