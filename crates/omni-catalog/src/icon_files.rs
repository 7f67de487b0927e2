//! Icons that are files of the skill: each becomes a `data:` URI, which is all that every client can show.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::folder::SkillFolder;
use crate::folder::code::hex;
use crate::{Diagnostic, Origin, Severity};

/// Bytes of an icon that is a file, at most: it stands in every list.
const ICON_BYTES_MAX: u64 = 16 << 10;

/// Puts the files that icons name into them. One that cannot be shown is left out, with a finding; `whose` says of what it
/// is, and `origin` where that is written.
pub(crate) fn embed(
    folder: &SkillFolder,
    icons: &mut Option<Value>,
    whose: &str,
    origin: &Origin,
    findings: &mut Vec<Diagnostic>,
) {
    let Some(Value::Array(all)) = icons else { return };
    all.retain_mut(|icon| {
        let Some(path) = icon["src"].as_str().filter(|src| is_path(src)).map(str::to_owned) else { return true };
        match data_uri(folder, path.trim_start_matches("./")) {
            Ok((uri, mime_type)) => {
                icon["src"] = uri.into();
                if icon["mimeType"].is_null() {
                    icon["mimeType"] = mime_type.into();
                }
                true
            }
            Err(why) => {
                findings.push(Diagnostic {
                    severity: Severity::Warning,
                    skill: folder.folder.clone(),
                    file: origin.file.clone(),
                    line: origin.line,
                    column: origin.line.min(1),
                    code: "icon-file".to_owned(),
                    message: format!("`{path}`, an icon of {whose}, {why}, so it is not shown"),
                    help: Some(
                        "name an image of the skill, relative to its folder, or write an `https:` or `data:` URI"
                            .to_owned(),
                    ),
                });
                false
            }
        }
    });
    if all.is_empty() {
        *icons = None;
    }
}

/// Whether it has no scheme, as every URI has.
fn is_path(src: &str) -> bool {
    let scheme = src.split_once(':').map(|(scheme, _)| scheme);
    !scheme.is_some_and(|scheme| {
        scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// The file as a URI, and its type; else why there is none.
fn data_uri(folder: &SkillFolder, path: &str) -> Result<(String, String), String> {
    let Some(file) = folder.offered.iter().find(|file| file.path == path) else {
        return Err("is no file of the skill that clients may read".to_owned());
    };
    if !file.mime_type.starts_with("image/") {
        return Err(format!("is no image (`{}`)", file.mime_type));
    }
    if file.size > ICON_BYTES_MAX {
        return Err(format!("has {} bytes, more than the {ICON_BYTES_MAX} that an icon may have", file.size));
    }
    let read = std::fs::read(folder.place.join(path));
    // What was written to since the folder was read is read with the folder the next time.
    let bytes = read.ok().filter(|bytes| hex(&Sha256::digest(bytes)) == file.sha256);
    let bytes = bytes.ok_or_else(|| "has changed while it was read".to_owned())?;
    let mime_type = file.mime_type.clone();
    Ok((format!("data:{mime_type};base64,{}", BASE64_STANDARD.encode(bytes)), mime_type))
}
