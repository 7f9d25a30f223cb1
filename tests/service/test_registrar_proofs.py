"""The registrar's checkpoints and proofs over gRPC: what a client can verify with the public key alone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from signed_log import checkpoint
from svc_registrar.domain.merkle import leaf_hash, verify_consistency, verify_inclusion
from svc_registrar.domain.notes import Verifier
from watch_cases import CASES, WAIT_S, Served, serve

pytestmark = pytest.mark.asyncio

AUDIT = next(case for case in CASES if case.service == "registrar")


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(AUDIT, tmp_path) as running:
        yield running


async def record(served: Served, *texts: str) -> list[pb.Receipt]:
    events = [make_event("test", codes.GAP, text) for text in texts]
    response = await served.stub.RecordEvents(pb.RecordEventsRequest(events=events), timeout=WAIT_S)
    return [result.receipt for result in response.results]


async def refused(method: Any, request: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(request, timeout=WAIT_S)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return str(caught.value.details())


async def test_a_receipts_event_is_proved_by_a_signed_checkpoint(served: Served) -> None:
    receipts = await record(served, *(f"event {number}" for number in range(20)))
    found = await checkpoint(served, receipts[-1].sequence)
    signed = Verifier.parse(found.public_key).open(found.checkpoint.note)
    assert (signed.size, signed.root) == (found.checkpoint.size, found.checkpoint.root)
    for receipt in receipts:
        request = pb.GetInclusionProofRequest(sequence=receipt.sequence)
        proof = await served.stub.GetInclusionProof(request, timeout=WAIT_S)
        assert (proof.sequence, proof.tree_size, proof.leaf_hash) == (receipt.sequence, signed.size, receipt.leaf_hash)
        assert leaf_hash(proof.line) == receipt.leaf_hash
        assert receipt.event_id.encode() in proof.line
        assert verify_inclusion(receipt.sequence - 1, signed.size, receipt.leaf_hash, list(proof.hashes), signed.root)


async def test_a_later_checkpoint_is_proved_to_continue_an_earlier_one(served: Served) -> None:
    first = (await checkpoint(served, (await record(served, "one", "two", "three"))[-1].sequence)).checkpoint
    second = (await checkpoint(served, (await record(served, *"abcdefgh"))[-1].sequence)).checkpoint
    request = pb.GetConsistencyProofRequest(from_size=first.size)
    proof = await served.stub.GetConsistencyProof(request, timeout=WAIT_S)
    assert (proof.from_size, proof.to_size, proof.checkpoint) == (first.size, second.size, second)
    assert verify_consistency(first.size, second.size, first.root, second.root, list(proof.hashes))


async def test_proofs_of_what_the_log_does_not_have_are_refused_by_their_field(served: Served) -> None:
    last = (await record(served, "one"))[-1].sequence
    await checkpoint(served, last)
    stub = served.stub
    assert "sequence: is 0" in await refused(stub.GetInclusionProof, pb.GetInclusionProofRequest())
    beyond = pb.GetInclusionProofRequest(sequence=last + 1)
    assert f"sequence: is {last + 1}, the tree has the events 1 to {last}" in await refused(
        stub.GetInclusionProof, beyond
    )
    later = pb.GetInclusionProofRequest(sequence=1, tree_size=last + 1)
    assert f"tree_size: is {last + 1}" in await refused(stub.GetInclusionProof, later)
    request = pb.GetConsistencyProofRequest(from_size=last + 1)
    assert f"from_size: is {last + 1}" in await refused(stub.GetConsistencyProof, request)


async def test_a_repeated_event_gets_the_leaf_hash_of_its_first_receipt(served: Served) -> None:
    request = pb.RecordEventsRequest(events=[make_event("test", codes.GAP, "twice")])
    first, second = [(await served.stub.RecordEvents(request, timeout=WAIT_S)).results for _time in range(2)]
    assert first == second
    page = await served.stub.ListEvents(pb.ListEventsRequest(newest_first=True, page_size=1), timeout=WAIT_S)
    assert page.events[0].receipt == first[0].receipt
