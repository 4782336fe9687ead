use aws_lc_rs::digest;

use crate::{ErrorCode, Pcr, PcrValue};

/// The number of registers of a Nitro NSM.
pub(super) const REGISTERS: u16 = 32;
/// On Nitro the registers below this one are locked when the enclave starts.
const LOCKED_AT_START: usize = 16;

/// The registers of a module, with the rules that AWS's own `nsm-check` holds a Nitro NSM to.
#[derive(Debug)]
pub(super) struct PcrBank {
    registers: [Pcr; REGISTERS as usize],
}

impl PcrBank {
    /// Registers with the given first values, zero from there on.
    pub(super) fn new(values: [PcrValue; LOCKED_AT_START]) -> Self {
        let mut registers = [Pcr {
            value: [0; 48],
            locked: false,
        }; REGISTERS as usize];
        for (register, value) in registers.iter_mut().zip(values) {
            *register = Pcr { value, locked: true };
        }
        Self { registers }
    }

    pub(super) fn get(&self, index: u16) -> Result<Pcr, ErrorCode> {
        self.registers
            .get(usize::from(index))
            .copied()
            .ok_or(ErrorCode::InvalidIndex)
    }

    pub(super) fn extend(&mut self, index: u16, data: &[u8]) -> Result<PcrValue, ErrorCode> {
        let register = self.unlocked(index)?;
        register.value = extended(&register.value, data);
        Ok(register.value)
    }

    /// Locks one register, which must not be locked yet.
    pub(super) fn lock(&mut self, index: u16) -> Result<(), ErrorCode> {
        self.unlocked(index)?.locked = true;
        Ok(())
    }

    /// Locks the registers 0 to `range` − 1, whether they are locked already or not.
    pub(super) fn lock_range(&mut self, range: u16) -> Result<(), ErrorCode> {
        let registers = self
            .registers
            .get_mut(..usize::from(range))
            .ok_or(ErrorCode::InvalidIndex)?;
        registers.iter_mut().for_each(|register| register.locked = true);
        Ok(())
    }

    /// The locked registers: those that an attestation document shows.
    pub(super) fn locked(&self) -> impl Iterator<Item = (u16, &PcrValue)> {
        (0..)
            .zip(&self.registers)
            .filter(|(_, register)| register.locked)
            .map(|(i, register)| (i, &register.value))
    }

    fn unlocked(&mut self, index: u16) -> Result<&mut Pcr, ErrorCode> {
        match self.registers.get_mut(usize::from(index)) {
            None => Err(ErrorCode::InvalidIndex),
            Some(register) if register.locked => Err(ErrorCode::ReadOnlyIndex),
            Some(register) => Ok(register),
        }
    }
}

/// A register's value after it was extended with `data`: SHA-384(value ‖ data).
pub(super) fn extended(value: &PcrValue, data: &[u8]) -> PcrValue {
    let mut context = digest::Context::new(&digest::SHA384);
    context.update(value);
    context.update(data);
    let mut next = [0; 48];
    next.copy_from_slice(context.finish().as_ref());
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank() -> PcrBank {
        PcrBank::new([[7; 48]; 16])
    }

    fn locked(bank: &PcrBank) -> Vec<u16> {
        bank.locked().map(|(index, _)| index).collect()
    }

    #[test]
    fn the_first_sixteen_are_locked_and_the_others_zero() {
        let bank = bank();
        assert_eq!(locked(&bank), (0..16).collect::<Vec<_>>());
        assert_eq!(
            bank.get(15).unwrap(),
            Pcr {
                value: [7; 48],
                locked: true
            }
        );
        assert_eq!(
            bank.get(16).unwrap(),
            Pcr {
                value: [0; 48],
                locked: false
            }
        );
        assert!(matches!(bank.get(32), Err(ErrorCode::InvalidIndex)));
    }

    #[test]
    fn extending_hashes_value_and_data() {
        let mut bank = bank();
        let once = bank.extend(16, b"data").unwrap();
        assert_eq!(
            once.as_slice(),
            digest::digest(&digest::SHA384, &[&[0; 48][..], b"data"].concat()).as_ref()
        );
        let twice = bank.extend(16, b"").unwrap();
        assert_eq!(twice.as_slice(), digest::digest(&digest::SHA384, &once).as_ref());
        assert_eq!(bank.get(16).unwrap().value, twice);
        assert_eq!(bank.get(17).unwrap().value, [0; 48]);
    }

    #[test]
    fn a_locked_register_stays_as_it_is() {
        let mut bank = bank();
        assert!(matches!(bank.extend(0, b"x"), Err(ErrorCode::ReadOnlyIndex)));
        assert!(matches!(bank.lock(0), Err(ErrorCode::ReadOnlyIndex)));
        bank.lock(31).unwrap();
        assert!(matches!(bank.extend(31, b"x"), Err(ErrorCode::ReadOnlyIndex)));
        assert!(matches!(bank.lock(31), Err(ErrorCode::ReadOnlyIndex)));
        assert_eq!(
            bank.get(31).unwrap(),
            Pcr {
                value: [0; 48],
                locked: true
            }
        );
    }

    #[test]
    fn a_range_is_locked_up_to_its_end_and_again() {
        let mut bank = bank();
        bank.lock_range(0).unwrap();
        bank.lock_range(17).unwrap();
        bank.lock_range(17).unwrap();
        assert_eq!(locked(&bank), (0..17).collect::<Vec<_>>());
        assert!(matches!(bank.lock_range(33), Err(ErrorCode::InvalidIndex)));
        assert!(matches!(bank.lock_range(u16::MAX), Err(ErrorCode::InvalidIndex)));
        assert_eq!(locked(&bank).len(), 17, "a range that is too long locks nothing");
        bank.lock_range(32).unwrap();
        assert_eq!(locked(&bank).len(), 32);
    }

    #[test]
    fn an_index_out_of_range_is_invalid() {
        for index in [32, 256, u16::MAX] {
            assert!(matches!(bank().extend(index, b""), Err(ErrorCode::InvalidIndex)));
            assert!(matches!(bank().lock(index), Err(ErrorCode::InvalidIndex)));
        }
    }
}
