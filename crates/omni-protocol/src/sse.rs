//! Server-Sent Events text (WHATWG HTML, section 9.2).

use bytes::{BufMut, Bytes, BytesMut};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_data_line_whatever_white_space_the_json_holds() {
        assert_eq!(&event(&[b"{\"a\":", b"\r\n1}"])[..], b"event: message\ndata: {\"a\":  1}\n\n");
    }
}
