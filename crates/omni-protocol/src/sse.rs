//! Server-Sent Events text (WHATWG HTML, section 9.2).

use bytes::{BufMut, Bytes, BytesMut};

use crate::Frame;

/// Frames up to this size are copied into one piece.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// A comment line: keeps a quiet stream open and tells the client nothing.
pub const COMMENT: &[u8] = b":\n\n";

/// The event that a stream with ids begins with: it carries no message, only the id to resume from and how many
/// milliseconds to wait before that.
pub fn priming_event(id: &str, retry_ms: u32) -> Bytes {
    Bytes::from(format!("id: {id}\nretry: {retry_ms}\ndata: \n\n"))
}

/// One `message` event. `json` must hold no line break, which serialised JSON never does.
pub fn event(json: &[&[u8]]) -> Bytes {
    event_after(&Bytes::new(), json)
}

fn event_after(id_line: &Bytes, json: &[&[u8]]) -> Bytes {
    let length: usize = json.iter().map(|part| part.len()).sum();
    let mut out = BytesMut::with_capacity(id_line.len() + length + 24);
    out.put_slice(id_line);
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

/// One `message` event in pieces, so that large parts are not copied. `id`, if it has one, must be of one line.
pub fn event_parts(frame: Frame, id: Option<&str>) -> impl Iterator<Item = Bytes> + use<> {
    let small = frame.len() <= COPY_BYTES_MAX;
    let id_line = id.map_or_else(Bytes::new, |id| Bytes::from(format!("id: {id}\n")));
    let whole = small.then(|| event_after(&id_line, &frame.parts()));
    let parts = (!small).then(|| {
        let open = [id_line, Bytes::from_static(b"event: message\ndata: ")];
        let data = frame.into_parts().map(without_breaks);
        let open = open.into_iter().filter(|part| !part.is_empty());
        open.chain(data).chain(std::iter::once(Bytes::from_static(b"\n\n")))
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
    fn an_id_stands_before_the_data() {
        let frame = Frame { head: "{}".into(), ..Frame::default() };
        let small: Vec<Bytes> = event_parts(frame, Some("a-1")).collect();
        assert_eq!(small, ["id: a-1\nevent: message\ndata: {}\n\n"]);
        assert_eq!(priming_event("a-0", 50), "id: a-0\nretry: 50\ndata: \n\n");
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
        let with_id = [b"id: a-1\n", &whole[..]].concat();
        for (id, expected) in [(None, &whole[..]), (Some("a-1"), &with_id)] {
            let pieces: Vec<Bytes> = event_parts(frame.clone(), id).collect();
            assert_eq!(pieces.concat(), expected);
            assert!(pieces.iter().any(|piece| piece.as_ptr() == body.as_ptr()));
        }
    }
}
