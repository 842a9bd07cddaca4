//! Real machines that run a few instructions of ring 3.

use super::*;
use crate::boot::image::tests::of_code;
use crate::boot::{BootParameters, prepare};
use crate::kvm::BareVm;
use crate::kvm::Kvm;
use crate::kvm::exit::VmExit;
use crate::memory::{GuestMemory, Rootfs};
use km_abi::hypercall::Port;
use km_abi::layout::MEMORY_MIN;
use km_abi::records::{BootConfig, ClockPage, CloneRecord};

/// `mov edx, port; out dx, eax; jmp $`.
fn ring(port: Port) -> Vec<u8> {
    [&[0xba], (port as u32).to_le_bytes().as_slice(), &[0xef, 0xeb, 0xfe]].concat()
}

fn boot(code: &[u8]) -> Option<(Kvm, Rootfs, BareVm)> {
    let kvm = match Kvm::open() {
        Ok(kvm) => kvm,
        Err(error) => {
            eprintln!("SKIPPED, nothing was tested: {error}");
            return None;
        }
    };
    let image = of_code(code);
    let vector = VectorState { xcr0: 3, xsave_bytes: 576 };
    let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
    let rootfs = Rootfs::open(tempfile::tempfile().unwrap(), image.code()).unwrap();
    let parameters = BootParameters {
        config: &BootConfig::default(),
        clone: CloneRecord::default(),
        clock: ClockPage::default(),
        vector,
        shadowed: kvm.kind() == KvmKind::Pvm,
    };
    prepare(&memory, &rootfs, &image, &parameters).unwrap();
    let mut machine = kvm.create(memory, &rootfs).unwrap();
    let template = RegisterTemplate::new(kvm.idle_sregs().unwrap(), &image, vector, kvm.kind());
    template.apply(&mut machine.vcpu, Entry::Boot).unwrap();
    Some((kvm, rootfs, machine))
}

#[test]
fn ring_3_rings_a_doorbell() {
    let Some((_kvm, _rootfs, mut machine)) = boot(&ring(Port::Idle)) else { return };
    assert_eq!(machine.vcpu.run().unwrap(), VmExit::Out { port: Port::Idle as u16 });
    machine.vcpu.complete().unwrap();
    assert_eq!(machine.vcpu.sregs().cs.selector, USER_CS);
    assert_eq!(machine.vcpu.regs().rdx, Port::Idle as u64);
}

#[test]
fn vector_state_is_there_in_ring_3() {
    // xor ecx, ecx; xgetbv; movaps xmm0, xmm1; rdfsbase rax; then the doorbell.
    let probe = [0x31, 0xc9, 0x0f, 0x01, 0xd0, 0x0f, 0x28, 0xc1, 0xf3, 0x48, 0x0f, 0xae, 0xc0];
    let code = [&probe, ring(Port::Idle).as_slice()].concat();
    let Some((_kvm, _rootfs, mut machine)) = boot(&code) else { return };
    assert_eq!(machine.vcpu.run().unwrap(), VmExit::Out { port: Port::Idle as u16 });
}

#[test]
fn other_ports_are_not_for_programs() {
    // The general protection fault ends in the stub, which is the same `OUT` in ring 0 and goes round: the exit names it.
    let Some((_kvm, _rootfs, mut machine)) = boot(&[0xe6, 0x80, 0xeb, 0xfe]) else { return };
    let exit = machine.vcpu.run().unwrap();
    assert!(!matches!(exit, VmExit::Out { .. }), "{exit:?}");
}
