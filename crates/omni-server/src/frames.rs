//! Decoding of the frames that a transport cuts out of its bytes.

use bytes::Bytes;
use omni_protocol::{ErrorCode, Frame, Message, Rejected, RpcError, decode, error_frame, salvage_id};

/// Frames larger than this are decoded on another thread, so that no other work waits for a millisecond.
const DECODE_INLINE_BYTES_MAX: usize = 256 * 1024;

/// Decodes a frame, on another thread when it is large.
pub(crate) async fn decode_frame(frame: Bytes) -> Result<Message, Rejected> {
    if frame.len() <= DECODE_INLINE_BYTES_MAX {
        return decode(&frame);
    }
    tokio::task::spawn_blocking(move || decode(&frame)).await.unwrap_or_else(|error| {
        let message = format!("the frame could not be read: {error}");
        Err(Rejected { id: None, error: RpcError::new(ErrorCode::Internal, message) })
    })
}

/// A refusal as the frame that says it.
pub(crate) fn refusal(rejected: &Rejected) -> Frame {
    error_frame(rejected.id.as_ref(), &rejected.error)
}

/// The answer to a line of which only the start was kept.
pub(crate) fn too_long(start: &Bytes, bytes_max: usize) -> Frame {
    let error =
        RpcError::new(ErrorCode::InvalidRequest, format!("a line may have {bytes_max} bytes at most"));
    error_frame(salvage_id(start).as_ref(), &error)
}
