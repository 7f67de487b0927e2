//! Server-Sent Events text (WHATWG HTML, section 9.2).

use bytes::{BufMut, Bytes, BytesMut};

use crate::Frame;

/// Frames up to this size are copied into one piece.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// A comment line: keeps a quiet stream open and tells the client nothing.
pub const COMMENT: &[u8] = b":\n\n";

/// One `message` event. `json` must hold no line break, which serialised JSON never does.
pub fn event(json: &[&[u8]]) -> Bytes {
    let length: usize = json.iter().map(|part| part.len()).sum();
    let mut out = BytesMut::with_capacity(length + 24);
    out.put_slice(b"event: message\ndata: ");
    for part in json {
        // A client's raw text can be echoed in a reply (an id, a progress token) and JSON allows line
        // breaks between tokens; inside an event they would cut it in two.
        if part.contains(&b'\n') || part.contains(&b'\r') {
            out.extend(part.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        } else {
            out.put_slice(part);
        }
    }
    out.put_slice(b"\n\n");
    out.freeze()
}

/// One `message` event in pieces, so that large parts are not copied.
pub fn event_parts(frame: Frame) -> impl Iterator<Item = Bytes> {
    let small = frame.len() <= COPY_BYTES_MAX;
    let whole = small.then(|| event(&frame.parts()));
    let parts = (!small).then(|| {
        let open = Bytes::from_static(b"event: message\ndata: ");
        let data = frame.into_parts().map(without_breaks);
        std::iter::once(open).chain(data).chain(std::iter::once(Bytes::from_static(b"\n\n")))
    });
    whole.into_iter().chain(parts.into_iter().flatten())
}

fn without_breaks(part: Bytes) -> Bytes {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if part.iter().any(is_break) {
        return part.iter().map(|byte| if is_break(byte) { b' ' } else { *byte }).collect();
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_data_line_whatever_white_space_the_json_holds() {
        assert_eq!(&event(&[b"{\"a\":", b"\r\n1}"])[..], b"event: message\ndata: {\"a\":  1}\n\n");
    }

    #[test]
    fn a_large_event_is_the_same_text_in_pieces_that_are_not_copied() {
        let body = Bytes::from("x".repeat(COPY_BYTES_MAX));
        let frame = Frame {
            head: "{\r\n\"a\":\"".into(),
            body: body.clone(),
            tail: "\"}".into(),
            ..Frame::default()
        };
        let whole = event(&frame.parts());
        let pieces: Vec<Bytes> = event_parts(frame).collect();
        assert_eq!(pieces.concat(), &whole[..]);
        assert!(pieces.iter().any(|piece| piece.as_ptr() == body.as_ptr()));
    }
}
