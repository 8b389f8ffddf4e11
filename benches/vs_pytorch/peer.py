"""PyTorch's side of run.py: `peer.py JOB MODEL BATCHES` takes as many steps as each line of its input says, and
answers with a line of JSON, as ours does."""

import json
import os
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Layer(nn.Module):
    """Post-LN, as people write it: the fused attention of PyTorch, GELU, dropout."""

    def __init__(self, width, inner, heads, rate):
        super().__init__()
        self.heads, self.rate = heads, rate
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-5), nn.LayerNorm(width, 1e-5)
        self.dropout = nn.Dropout(rate)

    def forward(self, x):
        rows, tokens, width = x.shape
        q, k, v = (
            linear(x).view(rows, tokens, self.heads, -1).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        rate = self.rate if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=rate)
        attended = attended.transpose(1, 2).reshape(rows, tokens, width)
        x = self.norm1(x + self.dropout(self.output(attended)))
        return self.norm2(x + self.dropout(self.down(F.gelu(self.up(x)))))


class Small(nn.Module):
    """An encoder with a head that scores masked tokens only."""

    def __init__(self, config):
        super().__init__()
        width, rate = config["hidden_size"], config["hidden_dropout_prob"]
        self.offset = config["pad_token_id"] + 1
        self.word = nn.Embedding(config["vocab_size"], width)
        self.position = nn.Embedding(config["max_position_embeddings"], width)
        self.token_type = nn.Embedding(1, width)
        self.norm, self.dropout = nn.LayerNorm(width, 1e-5), nn.Dropout(rate)
        self.layers = nn.ModuleList(
            Layer(width, config["intermediate_size"], config["num_attention_heads"], rate)
            for _ in range(config["num_hidden_layers"])
        )
        self.dense, self.head_norm = nn.Linear(width, width), nn.LayerNorm(width, 1e-5)
        self.bias = nn.Parameter(torch.zeros(config["vocab_size"]))

    def forward(self, input_ids, labels):
        positions = torch.arange(input_ids.shape[1]) + self.offset
        x = self.word(input_ids) + self.position(positions) + self.token_type.weight[0]
        x = self.dropout(self.norm(x))
        for layer in self.layers:
            x = layer(x)
        masked = labels >= 0
        x = self.head_norm(F.gelu(self.dense(x[masked])))
        return F.cross_entropy(F.linear(x, self.word.weight, self.bias), labels[masked])

    def load(self, weights):
        """Takes weights under the names of transformers."""
        at = "roberta.encoder.layer.{}."
        names = {
            "word.weight": "roberta.embeddings.word_embeddings.weight",
            "position.weight": "roberta.embeddings.position_embeddings.weight",
            "token_type.weight": "roberta.embeddings.token_type_embeddings.weight",
            "bias": "lm_head.bias",
        }
        inner = {
            "query": "attention.self.query",
            "key": "attention.self.key",
            "value": "attention.self.value",
            "output": "attention.output.dense",
            "up": "intermediate.dense",
            "down": "output.dense",
            "norm1": "attention.output.LayerNorm",
            "norm2": "output.LayerNorm",
        }
        for kind in ("weight", "bias"):
            names[f"norm.{kind}"] = f"roberta.embeddings.LayerNorm.{kind}"
            names[f"dense.{kind}"] = f"lm_head.dense.{kind}"
            names[f"head_norm.{kind}"] = f"lm_head.layer_norm.{kind}"
            for layer in range(len(self.layers)):
                for ours, theirs in inner.items():
                    names[f"layers.{layer}.{ours}.{kind}"] = at.format(layer) + f"{theirs}.{kind}"
        self.load_state_dict({ours: weights[theirs] for ours, theirs in names.items()})


def small(model):
    config = json.load(open(os.path.join(model, "config.json")))
    small = Small(config)
    small.load(load_file(os.path.join(model, "model.safetensors")))
    return small, lambda batch: small(**batch)


def of_transformers(model):
    """The loss of a model of transformers, as its users have it."""
    mask = None

    def loss(batch):
        nonlocal mask
        mask = torch.ones_like(batch["input_ids"]) if mask is None else mask
        return model(attention_mask=mask, **batch).loss

    return model, loss


def mlm(model):
    from transformers import XLMRobertaForMaskedLM

    return of_transformers(XLMRobertaForMaskedLM.from_pretrained(model))


def classifier(model):
    from transformers import XLMRobertaForSequenceClassification

    return XLMRobertaForSequenceClassification.from_pretrained(model)


def adapter(directory):
    """What the other side began, by the library that has the method; the head trains, too."""
    model, directory = classifier(directory), os.path.join(directory, "adapter")
    if os.path.exists(os.path.join(directory, "adapter_model.safetensors")):
        from peft import PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict

        config = PeftConfig.from_pretrained(directory)
        if config.is_prompt_learning:
            # It refuses to train what was loaded; a fresh one with the same numbers it trains.
            config.inference_mode = False
            model = get_peft_model(model, config)
            set_peft_model_state_dict(model, load_file(os.path.join(directory, "adapter_model.safetensors")))
            return of_transformers(model)
        return of_transformers(PeftModel.from_pretrained(model, directory, is_trainable=True))
    import adapters

    adapters.init(model)
    name = model.load_adapter(directory, use_safetensors=True, set_active=True)
    model.train_adapter(name)
    return of_transformers(model)


def optimizer(model):
    plain = {id(p) for m in model.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters()}
    plain |= {id(p) for name, p in model.named_parameters() if name.endswith("bias")}
    groups = [[], []]
    for parameter in filter(lambda it: it.requires_grad, model.parameters()):
        groups[id(parameter) in plain].append(parameter)
    groups = [{"params": groups[0], "weight_decay": 0.01}, {"params": groups[1], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.999), eps=1e-8)


def peak_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main():
    job, model, batches = sys.argv[1:]
    torch.manual_seed(1)
    jobs = {
        "mlm-small": small,
        "mlm-xlmr": mlm,
        "classify-xlmr": lambda model: of_transformers(classifier(model)),
    }
    model, loss_of = jobs.get(job, adapter)(model)
    model.train()
    adamw = optimizer(model)
    batches = load_file(batches)
    batches = [
        dict(zip(batches, tensors)) for tensors in zip(*(tensor for tensor in batches.values()))
    ]
    taken = 0
    for line in sys.stdin:
        begun, losses = time.perf_counter(), []
        for _ in range(int(line)):
            loss = loss_of(batches[taken % len(batches)])
            adamw.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adamw.step()
            losses.append(loss.item())
            taken += 1
        seconds = time.perf_counter() - begun
        print(json.dumps({"seconds": seconds, "losses": losses, "peak_mib": peak_mib()}), flush=True)


main()
