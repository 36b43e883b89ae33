import torch

# Small models: more threads only get into each other's way.
torch.set_num_threads(1)
