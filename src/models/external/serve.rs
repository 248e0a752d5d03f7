//! The other end: one of this program's networks answers as an external one does.

use super::frame::{self, Arrays};
use super::{INPUTS, array, tensor};
use crate::models::{Attention, Batch, Model, ModelError, N_INPUTS, Output};
use crate::tracks::Array;
use candle_core::DType;
use std::io::{self, Read, Write};

/// Answers requests read from `input` on `output` until `input` ends. F is the one output; a request that cannot be answered is
/// answered with the reason.
///
/// # Errors
/// Where a stream fails or is no stream of messages.
pub fn serve(model: &dyn Model, mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    while let Some(message) = frame::read(&mut input)? {
        let answer = frame::decode(message).and_then(|request| answer(model, &request).map_err(|e| e.to_string()));
        let answer = answer.unwrap_or_else(|reason| Arrays::from([("error".to_owned(), Array::text(vec![reason]))]));
        let message = frame::encode(&answer).map_err(io::Error::other)?;
        frame::write(&mut output, &message)?;
    }
    Ok(())
}

fn answer(model: &dyn Model, request: &Arrays) -> Result<Arrays, ModelError> {
    let mut parts = [const { None }; N_INPUTS];
    for (part, name) in parts.iter_mut().zip(INPUTS) {
        *part = request.get(name).map(tensor).transpose().map_err(ModelError::Input)?;
    }
    let batch = Batch::from_parts(parts).try_map(|t| t.to_dtype(model.dtype()))?;
    let what = request.get("request").and_then(Array::as_text).map(<[String]>::concat).unwrap_or_default();
    match what.as_str() {
        "predict" => answer_of(&model.forward(&batch)?),
        "gradient" => {
            let (output, gradient) = model.gradient(&batch)?;
            let mut answer = answer_of(&output)?;
            let weight = request.get("weight").and_then(Array::to_f64).and_then(|weight| weight.first().copied());
            for (name, gradient) in INPUTS.into_iter().zip(gradient.parts()) {
                if let Some(gradient) = gradient {
                    answer.insert(format!("gradient_{name}"), array(&(gradient * weight.unwrap_or(1.0))?)?);
                }
            }
            Ok(answer)
        }
        other => Err(ModelError::Input(format!("request \"{other}\" is neither predict nor gradient"))),
    }
}

fn answer_of(output: &Output) -> Result<Arrays, ModelError> {
    let score = output.score.to_dtype(DType::F32)?.unsqueeze(1)?;
    let mut answer = Arrays::from([("output".to_owned(), array(&score)?)]);
    let mut add = |name: &str, tensor| array(tensor).map(|array| drop(answer.insert(name.to_owned(), array)));
    match &output.attention {
        Some(Attention::Bins(weights)) => add("attention", weights)?,
        Some(Attention::Marks(alpha)) => add("alpha", alpha)?,
        Some(Attention::Hierarchical { alpha, beta }) => {
            add("alpha", alpha)?;
            add("beta", beta)?;
        }
        None => {}
    }
    Ok(answer)
}
