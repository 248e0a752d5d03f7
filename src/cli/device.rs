//! Where networks are computed.

use clap::ValueEnum;

use super::Failure;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum DeviceChoice {
    #[default]
    Cpu,
    Cuda,
    Metal,
}

impl DeviceChoice {
    /// The networks' own layers are written for processors: there is no kernel of theirs for another device, whatever the build.
    pub(super) fn check(self) -> Result<(), Failure> {
        let (name, is_built) = match self {
            Self::Cpu => return Ok(()),
            Self::Cuda => ("cuda", cfg!(feature = "cuda")),
            Self::Metal => ("metal", cfg!(feature = "metal")),
        };
        Err(Failure::Usage(match is_built {
            true => format!("--device {name}: the networks' layers run on the processor only; leave it out, or say --device cpu"),
            false => format!("--device {name}: this program was built without it (cargo build --features {name})"),
        }))
    }
}
