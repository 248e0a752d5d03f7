//! Networks on the device that was asked for.

use super::{Failure, cuda_program};
use crate::models::{Commands, DeviceChoice, Model, open_model_on};
use candle_core::Device;
use clap::ArgMatches;
use std::path::Path;

/// A device, and what results call it.
pub(super) struct Opened {
    device: Device,
    name: String,
}

impl Opened {
    /// A model's folder on it.
    pub(super) fn model(&self, folder: &Path, commands: Commands) -> Result<Box<dyn Model>, crate::models::ModelError> {
        open_model_on(folder, &self.device, &self.name, commands)
    }
}

/// Opens what was asked for. What `auto` found, where that is the processor, is handed to `say`.
pub(super) fn open(choice: DeviceChoice, say: &mut dyn FnMut(String)) -> Result<Opened, Failure> {
    let (device, why) = choice.open(&cuda_program::why_not).map_err(Failure::Usage)?;
    if let Some(why) = why {
        say(why);
    }
    let name = match device.location() {
        candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    };
    Ok(Opened { device, name })
}

/// Whether a command asks for a device that may be one of CUDA, which this program was built without.
pub(super) fn may_be_cuda(matches: &ArgMatches) -> bool {
    let command = std::iter::successors(Some(matches), |matches| matches.subcommand().map(|(_, of)| of)).last();
    let choice = command.and_then(|matches| matches.try_get_one::<DeviceChoice>("device").ok().flatten());
    !cfg!(feature = "cuda") && matches!(choice, Some(DeviceChoice::Auto | DeviceChoice::Cuda(_)))
}

/// Fitting has its gradients on the processor only.
pub(super) fn check_for_training(choice: DeviceChoice) -> Result<(), Failure> {
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(()),
        other => Err(Failure::Usage(format!("--device {other}: networks are fitted on the processor; say auto or cpu"))),
    }
}
