"""Writes Keras models as JSON, without Keras: what the error cases and the import tests start from."""


def layer(class_name, name, **config):
    """A layer of a Sequential model."""
    return {"module": "keras.layers", "class_name": class_name, "config": {"name": name, **config},
            "registered_name": None}


def input_layer(shape, name="x", **config):
    return layer("InputLayer", name, batch_shape=[None, *shape], **config)


def sequential(*layers, name="model", **config):
    return {"module": "keras", "class_name": "Sequential", "config": {"name": name, "layers": list(layers), **config}}


def tensor(name, node=0, index=0):
    """The tensor that call `node` of layer `name` gives."""
    return {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32",
                                                          "keras_history": [name, node, index]}}


def called(layer_config, *calls):
    """A layer of a Functional model; each call is its list of arguments, or a pair of arguments and keywords."""
    nodes = [{"args": call[0], "kwargs": call[1]} if isinstance(call, tuple) else {"args": call, "kwargs": {}}
             for call in calls]
    return {**layer_config, "name": layer_config["config"]["name"], "inbound_nodes": nodes}


def functional(layers, inputs, outputs, name="model"):
    """A Functional model; inputs and outputs are names of layers, or references [name, node, tensor]."""
    def references(names):
        return [name if isinstance(name, list) else [name, 0, 0] for name in names]
    return {"module": "keras", "class_name": "Functional",
            "config": {"name": name, "layers": [entry if "inbound_nodes" in entry else called(entry)
                                                for entry in layers],
                       "input_layers": references(inputs), "output_layers": references(outputs)}}
