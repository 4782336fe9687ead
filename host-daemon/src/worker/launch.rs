//! From a row's assignment to an enclave that gave its heartbeat.

use super::{Worker, explain};
use crate::Error;
use crate::decide::Assignment;
use crate::driver::Driver;
use crate::enclave_dir::{EnclaveDir, Owner, Spec};
use crate::holding::Holding;
use crate::images::Eif;
use contract::report::Phase;
use contract::request::MOST_EMULATED_CPUS;
use std::time::Duration;

const MIB: u64 = 1 << 20;

impl<D: Driver> Worker<D> {
    /// Fetches and builds the image, boots it and waits for its heartbeat.
    pub(super) async fn bring_up(&mut self, wanted: &Assignment) -> Result<(), Error> {
        let report = self
            .host
            .report(&self.id, wanted.launch.generation, Phase::Launching);
        self.host.put(&report).await;
        let eif = self.host.images.eif(wanted).await?;
        check_size(wanted.request.cpus, wanted.request.memory_mib, eif.bytes)?;
        match self.boot(wanted, &eif, false).await {
            Err(Boot::AcceleratorFailed(error)) => {
                tracing::warn!(id = %self.id, %error, "KVM failed; once more under TCG, which is slower");
                self.end(None).await;
                self.boot(wanted, &eif, true).await.map_err(Boot::into_error)
            }
            done => done.map_err(Boot::into_error),
        }
    }

    async fn boot(&mut self, wanted: &Assignment, eif: &Eif, force_tcg: bool) -> Result<(), Boot> {
        let host = self.host.clone();
        if host.state_dir.enclaves()?.len() >= host.config.limits.enclaves {
            return Err(Error::Full(host.config.limits.enclaves).into());
        }
        let (cid, dir) = host.state_dir.new_enclave()?;
        // Before the launch, so that it cannot come before it is waited for.
        let heartbeat = host.heartbeats.expect(cid);
        let spec = self.spec(wanted, eif, cid, force_tcg);
        let starting = match self.start(wanted, eif, dir.clone(), &spec) {
            Ok((holding, starting)) => {
                self.running = Some((wanted.launch.clone(), holding));
                starting
            }
            Err(error) => {
                dir.remove()?;
                return Err(error.into());
            }
        };
        let Some((_, holding)) = &self.running else {
            return Ok(());
        };
        if let Err(error) = starting.ready().await {
            return Err(Boot::judge(error, dir.ended().accelerator_failed));
        }
        let status = match holding.status().await {
            Ok(status) => status,
            Err(error) => return Err(explain(holding, error).await.into()),
        };
        tracing::info!(id = %self.id, cid, module = status.module_id, with = status.acceleration, "launched");
        let seconds = host.config.limits.heartbeat_seconds;
        tokio::select! {
            arrived = heartbeat.arrives(Duration::from_secs(seconds)) => {
                if arrived {
                    return Ok(());
                }
                let error = Error::NoHeartbeat { cid, seconds, hint: status.acceleration.clone() };
                Err(Boot::judge(error, status.is_accelerated()))
            }
            ended = holding.ended() => Err(Boot::judge(Error::Ended(ended.how), ended.accelerator_failed)),
        }
    }

    /// Starts the holder; before that, it stands in the ledger.
    fn start(
        &self,
        wanted: &Assignment,
        eif: &Eif,
        dir: EnclaveDir,
        spec: &Spec,
    ) -> Result<(Holding, crate::holding::Starting), Error> {
        std::fs::hard_link(&eif.path, dir.image()).map_err(Error::io("link", &eif.path))?;
        self.host.ledger.record(&self.id, &wanted.launch)?;
        Holding::start(&self.host.program, dir, spec)
    }

    fn spec(&self, wanted: &Assignment, eif: &Eif, cid: u32, force_tcg: bool) -> Spec {
        let config = &self.host.config;
        let owner = Owner {
            record_id: self.id.to_string(),
            launch: wanted.launch.clone(),
        };
        Spec {
            owner: Some(owner),
            cid,
            machine: eif.machine,
            memory_mib: u32::try_from(wanted.request.memory_mib).unwrap_or(u32::MAX),
            cpus: wanted.request.cpus,
            debug: wanted.request.debug,
            instance_id: self.host.identity.instance_id.clone(),
            address: self.host.identity.address,
            development_ca: config.development_ca(),
            hub: self.host.state_dir.hub(),
            force_tcg,
        }
    }
}

/// Why an enclave did not boot.
#[derive(Debug)]
enum Boot {
    /// It may under TCG.
    AcceleratorFailed(Error),
    /// It will not.
    Failed(Error),
}

impl Boot {
    fn judge(error: Error, accelerator_failed: bool) -> Self {
        if accelerator_failed {
            Self::AcceleratorFailed(error)
        } else {
            Self::Failed(error)
        }
    }

    fn into_error(self) -> Error {
        match self {
            Self::AcceleratorFailed(error) | Self::Failed(error) => error,
        }
    }
}

impl From<Error> for Boot {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Refuses, before anything is launched, what nitro-cli would refuse: no CPU, and memory below 4 times the EIF.
pub(crate) fn check_size(cpus: u32, memory_mib: u64, eif_bytes: u64) -> Result<(), Error> {
    if !(1..=MOST_EMULATED_CPUS).contains(&cpus) {
        return Err(Error::Cpus(cpus));
    }
    let least_mib = eif_bytes.saturating_mul(4).div_ceil(MIB);
    if memory_mib < least_mib {
        let eif_mib = eif_bytes.div_ceil(MIB);
        return Err(Error::Memory {
            asked_mib: memory_mib,
            eif_mib,
            least_mib,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_small_is_refused_with_the_least_that_fits() {
        check_size(1, 40, 10 * MIB).unwrap();
        check_size(32, 41, 10 * MIB + 1).unwrap();
        let error = check_size(1, 40, 10 * MIB + 1).unwrap_err().to_string();
        assert!(error.contains("at least 41 MiB"), "{error}");
        assert!(matches!(check_size(0, 1024, MIB), Err(Error::Cpus(0))));
        assert!(matches!(check_size(33, 1024, MIB), Err(Error::Cpus(33))));
        assert!(matches!(check_size(1, u64::MAX, u64::MAX), Ok(())));
    }
}
