//! `cislens serve`: a model of this program as an external one, for tests and as an example of the protocol.

use super::Failure;
use crate::models::{load_model, serve};
use clap::Args;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    /// Folder of a model
    model: PathBuf,
}

pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let model = load_model(&args.model, &candle_core::Device::Cpu)?;
    let (input, output) = (BufReader::new(std::io::stdin()), BufWriter::new(std::io::stdout()));
    Ok(serve(&*model, input, output)?)
}
