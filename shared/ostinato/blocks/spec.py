"""What the building blocks of networks can be told: activations, initializers, norms, fully connected stacks."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Strict

from ostinato.spec import Later, NonNegativeInt, Pending, PositiveInt, Probability, Spec

Activation = Literal[
    "elu", "leakyRelu", "logSigmoid", "relu", "sigmoid", "tanh", "softmax", "gelu", "silu", "swish", "mish", "selu",
    "prelu", "relu6", "hardswish", "hardsigmoid", "softplus", "celu", "swiglu", "geglu", "reglu", "sparsemax",
    "entmax15",
]  # fmt: skip
InitializerName = Literal[
    "uniform", "normal", "constant", "ones", "zeros", "eye", "dirac", "xavier_uniform", "xavier_normal",
    "kaiming_uniform", "kaiming_normal", "orthogonal", "sparse", "identity",
]  # fmt: skip
Norm = Literal["batch", "layer", "ghost"]
_OTHER_CELLS = Later(frozenset({"lstm_block", "ln", "lstm_cudnn", "gru_block", "gru_cudnn"}))
ReduceMode = Literal["last", "sum", "mean", "avg", "max", "concat", "attention", "attention_pooling", "none", "None"]


class InitializerSpec(Spec):
    """How weights start: the name of a function of `torch.nn.init` and its parameters."""

    type: InitializerName
    """Name of the initializer."""
    a: float | None = None
    """Lower bound of `uniform`; negative slope of `kaiming_*`."""
    b: float | None = None
    """Upper bound of `uniform`."""
    mean: float | None = None
    """Mean of `normal`."""
    std: float | None = None
    """Standard deviation of `normal` and `sparse`."""
    val: float | None = None
    """Value of `constant`."""
    gain: float | None = None
    """Gain of `xavier_*` and `orthogonal`."""
    sparsity: Probability | None = None
    """Fraction of each column that `sparse` sets to zero."""


Initializer = InitializerName | InitializerSpec


class FCLayerSpec(Spec):
    """One layer of `fc_layers`; what is null is taken from the stack."""

    output_size: PositiveInt | None = None
    """Units of the layer."""
    activation: Activation | None = None
    """Activation of the layer."""
    dropout: Probability | None = None
    """Dropout of the layer."""
    norm: Norm | None = None
    """Normalization of the layer."""
    norm_params: dict[str, Any] | None = None
    """Parameters of the normalization."""
    use_bias: bool | None = None
    """Whether the layer has a bias."""
    weights_initializer: Initializer | None = None
    """How the weights of the layer start."""
    bias_initializer: Initializer | None = None
    """How the bias of the layer starts."""


FCLayers = Annotated[tuple[FCLayerSpec, ...], Strict(False)]


class FCStackSpec(Spec):
    """A stack of fully connected layers: linear, norm, activation, dropout; repeated."""

    output_size: PositiveInt = 256
    """Units of each layer."""
    num_layers: NonNegativeInt = 1
    """Number of layers; ignored where `fc_layers` lists them."""
    fc_layers: FCLayers | None = None
    """The layers one by one; what a layer leaves out comes from this stack."""
    activation: Activation | None = "relu"
    """Activation after each layer; null for none."""
    dropout: Probability = 0.0
    """Probability that a unit is set to zero while training."""
    norm: Norm | None = None
    """Normalization before each activation; null for none."""
    norm_params: dict[str, Any] | None = None
    """Parameters of the normalization, as torch names them."""
    use_bias: bool = True
    """Whether the layers have a bias."""
    weights_initializer: Initializer = "xavier_uniform"
    """How the weights start."""
    bias_initializer: Initializer = "zeros"
    """How the biases start."""
    residual: bool = False
    """Adds the input of a layer to its output where the sizes agree."""

    @classmethod
    def of(cls, spec: Spec, **own: Any) -> Self:
        """The stack that the fields of these names describe in another spec; `own` are those it names otherwise."""
        same = {name: getattr(spec, name) for name in cls.model_fields if name in type(spec).model_fields}
        return cls.model_validate(same | own)


class DenseLayersSpec(Spec):
    """The fully connected layers at the end of a small encoder."""

    dropout: Probability = 0.0
    """Probability that a unit is set to zero while training."""
    activation: Activation | None = "relu"
    """Activation of the fully connected layers; null for none."""
    use_bias: bool = True
    """Whether the layers have a bias."""
    bias_initializer: Initializer = "zeros"
    """How the biases start."""
    weights_initializer: Initializer = "xavier_uniform"
    """How the weights start."""
    output_size: PositiveInt = 10
    """Units of a fully connected layer."""
    norm: Literal["batch", "layer"] | None = None
    """Normalization of the fully connected layers; null for none."""
    norm_params: dict[str, Any] | None = None
    """Parameters of the normalization."""
    num_fc_layers: NonNegativeInt = 0
    """Number of fully connected layers; ignored where `fc_layers` lists them."""
    fc_layers: FCLayers | None = None
    """The fully connected layers one by one."""

    @property
    def stack(self) -> FCStackSpec:
        """The layers as the building block takes them."""
        return FCStackSpec.of(self, num_layers=self.num_fc_layers)


class RecurrenceSpec(Spec):
    """Layers of recurrent cells."""

    cell_type: Annotated[Literal["rnn", "lstm", "gru"], _OTHER_CELLS] = "rnn"
    """Kind of cell."""
    bidirectional: bool = False
    """Whether there are cells that go back as well; then a step has twice the units."""
    recurrent_dropout: Probability = 0.0
    """Dropout between two layers of cells."""
    activation: Annotated[str, Pending("tanh")] = "tanh"
    """Activation of a cell."""
    recurrent_activation: Annotated[str, Pending("sigmoid")] = "sigmoid"
    """Activation of a cell's gates."""
    use_bias: bool = True
    """Whether the cells have a bias."""
    unit_forget_bias: bool = True
    """Whether the bias of an LSTM's forget gate starts one higher."""
    bias_initializer: Initializer = "zeros"
    """How the biases start."""
    weights_initializer: Initializer = "xavier_uniform"
    """How the weights start."""
    recurrent_initializer: Initializer = "orthogonal"
    """How the weights between states start."""
