"""What a planned model goes through: copies, checkpoints, compilation, export, wrappers."""

import copy
import pickle
import socket

import mutransfer.torch as mt
import pytest
import torch
import torch.distributed as dist
from conftest import GPT, ids, losses, meta, mlp, seeded, vectors
from mutransfer import PlanMismatch
from torch import multiprocessing, nn, optim
from torch.distributed import checkpoint
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)
from torch.nn.parallel import DistributedDataParallel

RATE = 0.02


def build(width):
    return GPT(width, tied=True)


def planned(width=32, base=8):
    return mt.plan(meta(build, width), meta(build, base), delta=meta(build, 2 * base))


def applied(plan=None, seed=0):
    return mt.apply(seeded(build, 32, seed), plan or planned(), init="fan-in")


def optimizer(model, plan=None):
    return mt.optimizer(optim.AdamW, model, plan or planned(), lr=RATE, weight_decay=0.1)


def inputs():
    return ids(torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def expected():
    """Losses of an undisturbed training."""
    model = applied()
    return losses(model, optimizer(model), ids, 4)


def test_copies(expected):
    for copied in (copy.deepcopy(applied()), pickle.loads(pickle.dumps(applied()))):
        assert losses(copied, optimizer(copied), ids, 4) == expected


def test_saved_whole(tmp_path, expected):
    torch.save(applied(), tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    assert losses(loaded, optimizer(loaded), ids, 4) == expected


def test_resumed(tmp_path, expected):
    model = applied()
    made = optimizer(model)
    first = losses(model, made, ids, 2)
    torch.save([model.state_dict(), made.state_dict()], tmp_path / "state.pt")
    model_state, optimizer_state = torch.load(tmp_path / "state.pt")
    model = mt.apply(build(32), planned(), init="keep")
    model.load_state_dict(model_state)
    made = optimizer(model)
    made.load_state_dict(optimizer_state)
    assert made.param_groups[0]["param_names"][0] == "blocks.0.down.bias"
    assert first + losses(model, made, ids, 2) == expected


def test_a_checkpoint_belongs_to_its_plan():
    state = applied().state_dict()
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "mutransfer_plan"'):
        build(32).load_state_dict(state)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "mutransfer_plan"'):
        applied().load_state_dict(build(32).state_dict())
    other = planned(base=16)
    with pytest.raises(PlanMismatch) as refused:
        mt.apply(build(32), other, init="keep").load_state_dict(state)
    assert str(refused.value) == (
        f"the checkpoint is of another plan than {other.hash[:16]}, which was applied to this "
        "model\n  hint: plan with the base, rule and optimizer that the checkpoint was trained "
        "with; or fold(model, plan) before saving, which makes a plain model"
    )
    plain = mt.apply(build(32), planned(), init="keep", record=False)
    assert plain.state_dict().keys() == build(32).state_dict().keys()


def test_casts_leave_the_record():
    model = applied()
    record = model.mutransfer_plan.clone()
    assert torch.equal(model.to(torch.bfloat16).mutransfer_plan, record)
    assert model.token.weight.dtype == torch.bfloat16


def test_compiled(expected):
    model = applied()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    made = optimizer(compiled)
    assert losses(compiled, made, ids, 4) == pytest.approx(expected, rel=1e-5)
    assert mt.check(compiled, planned(), made, lr=RATE, weight_decay=0.1) == []


@pytest.mark.parametrize("strict", [True, False])
def test_exported(strict):
    model = applied().eval()
    exported = torch.export.export(model, (inputs(),), strict=strict)
    torch.testing.assert_close(exported.module()(inputs()), model(inputs()))


def test_names_without_wrappers():
    names = set(mt.shapes(build(8)))
    assert set(mt.shapes(torch.compile(build(8), backend="eager"))) == names
    assert set(mt.shapes(nn.DataParallel(build(8)))) == names

    class Inner(nn.Module):
        """A part that is called `module` is no wrapper."""

        def __init__(self):
            super().__init__()
            self.module = nn.Linear(2, 2)

    assert set(mt.shapes(Inner())) == {"module.weight", "module.bias"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def joined(rank, port, queue, folder):
    """One of two processes: the same training, wrapped in two ways."""
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    found = {}
    model = DistributedDataParallel(applied())
    found["ddp"] = losses(model, optimizer(model), ids, 4)
    model = applied()
    mesh = dist.init_device_mesh("cpu", (2,))
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    found["shapes"] = mt.shapes(model) == mt.shapes(meta(build, 32))
    made = optimizer(model)
    found["fsdp"] = losses(model, made, ids, 2)
    model_state, optimizer_state = states.get_state_dict(model, made)
    state = {"model": model_state, "optimizer": optimizer_state}
    checkpoint.save(state, checkpoint_id=folder)
    checkpoint.load(state, checkpoint_id=folder)
    states.set_state_dict(
        model, made, model_state_dict=state["model"], optim_state_dict=state["optimizer"]
    )
    found["fsdp"] += losses(model, made, ids, 2)
    found["meta"] = losses(*from_meta(mesh), ids, 4)
    found["untied"] = untied(mesh)
    found["names"] = optimizer_state["param_groups"][0]["params"][0]
    found["parallel"] = parallel(mesh)
    if rank == 0:
        queue.put(found)
    dist.barrier()
    dist.destroy_process_group()


def from_meta(mesh):
    """Sharded before it has weights, which are drawn, and then scaled by an explicit law."""
    model = mt.install(meta(build, 32), planned())
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh).to_empty(device="cpu")
    options = states.StateDictOptions(full_state_dict=True, strict=False)
    states.set_model_state_dict(model, seeded(build, 32).state_dict(), options=options)
    mt.scale_init(model, planned(), init="fan-in")
    return model, optimizer(model)


def untied(mesh):
    """Losses of plain, DDP and FSDP2 training where the readout has a tensor of its own."""
    plan = mt.plan(meta(GPT, 32), meta(GPT, 8), delta=meta(GPT, 16), readout=["head"])
    models = [mt.apply(seeded(GPT, 32), plan, init="fan-in") for _ in range(3)]
    models[1] = DistributedDataParallel(models[1])
    fully_shard(models[2], mesh=mesh)
    return [losses(model, optimizer(model, plan), ids, 4) for model in models]


def parallel(mesh):
    """Names and losses where each process has a part of every tensor of a perceptron."""
    plan = mt.plan(meta(mlp, 32), meta(mlp, 8), delta=meta(mlp, 16), readout=["4"])
    models = [mt.apply(seeded(mlp, 32), plan, init="fan-in") for _ in range(2)]
    ways = {"0": ColwiseParallel(), "2": RowwiseParallel()}
    parallelize_module(models[1], mesh, ways)
    assert mt.shapes(models[1]) == mt.shapes(models[0])
    assert mt.plan(models[1], meta(mlp, 8), delta=meta(mlp, 16), readout=["4"]) == plan
    return [losses(model, optimizer(model, plan), vectors, 4) for model in models]


def test_parameters_that_zero_has_partitioned():
    """DeepSpeed leaves their global sizes beside an empty tensor."""
    model = build(8)
    expected = mt.shapes(model)
    for own in model.parameters():
        own.ds_shape, own.data = own.shape, torch.empty(0)
    assert mt.shapes(model) == expected


def test_two_processes(tmp_path, expected):
    """DDP, and FSDP2 with a distributed checkpoint in the middle."""
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    port = free_port()
    run = multiprocessing.spawn(joined, (port, queue, tmp_path), nprocs=2, join=False)
    while not run.join(timeout=1):
        pass
    found = queue.get()
    assert found["shapes"]
    assert found["ddp"] == pytest.approx(expected, rel=1e-5)
    assert found["fsdp"] == pytest.approx(expected, rel=1e-5)
    assert found["meta"] == pytest.approx(expected, rel=1e-5)
    assert found["names"] == "blocks.0.down.bias"
    for plain, *wrapped in (found["untied"], found["parallel"]):
        assert plain[-1] < plain[0]
        for own in wrapped:
            assert own == pytest.approx(plain, rel=1e-5)
