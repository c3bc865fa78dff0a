"""PyTorch's side, a process of its own: trains on dumped micro-batches with torch.nn's layers and fused Adam, from the
weights of a checkpoint. With several ranks: DistributedDataParallel on gloo, each with its share of every update's micro-batches.

    torch_side.py CHECKPOINT BATCHES UPDATES WARM THREADS RANKS RANK MEETING

Prints {"value": real source + target tokens a second of the updates after the first WARM, "loss": of the last update}.
"""

import json
import sys
import time

import h5py
import torch
from torch import distributed, nn

from recurrent_twin import RecurrentTwin
from twin import Twin, read_config, sentences


class Loss(nn.Module):
    def __init__(self, twin):
        super().__init__()
        self.twin = twin

    def forward(self, source, target):
        return self.twin.loss(source, target, 0.1)


def open_twin(checkpoint):
    options = read_config(checkpoint)["model"]
    with h5py.File(checkpoint) as f:
        rows = f["model/embedding/weight"].shape[0]
        if options["kind"] == "recurrent":
            twin = RecurrentTwin(options, (rows, rows))
        else:
            twin = Twin(options, (rows, rows), dropout=options["dropout"]).train()
        twin.load(lambda name: f["model/" + name][:])
    return Loss(twin)


def read_updates(path, updates):
    """Of each update the micro-batches, of each the (source, target) sentences."""
    with h5py.File(path) as f:
        return [[(sentences(slot, "source"), sentences(slot, "target")) for slot in f[str(u)].values()] for u in range(updates)]


def tokens_of(micro_batches, side):
    return sum(len(sentence) for batch in micro_batches for sentence in batch[side])


def step(model, optimizer, micro_batches, rank, ranks):
    """One update; its loss on this rank. DistributedDataParallel divides by the number of ranks what is divided by tokens here."""
    optimizer.zero_grad()
    tokens, total = tokens_of(micro_batches, 1), 0.0
    each = len(micro_batches) // ranks
    for source, target in micro_batches[rank * each:(rank + 1) * each]:
        loss = model(source, target)
        (loss * ranks / tokens).backward()
        total += loss.item() / tokens
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return total


def main():
    checkpoint, batches = sys.argv[1:3]
    count, warm, threads, ranks, rank = map(int, sys.argv[3:8])
    torch.set_num_threads(threads)
    updates, model = read_updates(batches, count), open_twin(checkpoint)
    if ranks > 1:
        distributed.init_process_group("gloo", init_method=f"file://{sys.argv[8]}", rank=rank, world_size=ranks)
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9, fused=True)
    for i, micro_batches in enumerate(updates):
        if i == warm:
            start = time.perf_counter()
        loss = step(model, optimizer, micro_batches, rank, ranks)
    seconds = time.perf_counter() - start
    tokens = sum(tokens_of(update, side) for update in updates[warm:] for side in (0, 1))
    if ranks > 1:
        total = torch.tensor(loss)
        distributed.all_reduce(total)
        loss = total.item()
        distributed.destroy_process_group()
    if rank == 0:
        print(json.dumps({"value": tokens / seconds, "loss": loss}))


main()
