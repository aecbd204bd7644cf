"""The precision of a device follows from the capabilities it reports."""

import pytest
import torch

from stages.learning import devices


@pytest.mark.parametrize("native, emulated, wanted", [
    (True, True, True),     # Ampere and later
    (False, True, False),   # Turing, Volta: works, slower than float32
    (False, False, False),
])
def test_a_gpu_that_only_emulates_bfloat16_computes_in_float32(monkeypatch, native, emulated, wanted):
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation and emulated

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert devices.supports_bfloat16(torch.device("cuda")) == wanted


@pytest.mark.parametrize("able, wanted", [({}, False), ({"avx2": True}, False), ({"avx512_bf16": True}, True),
                                          ({"amx_bf16": True}, True)])
def test_a_cpu_computes_in_bfloat16_if_it_has_instructions_for_it(monkeypatch, able, wanted):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert devices.supports_bfloat16(torch.device("cpu")) == wanted
