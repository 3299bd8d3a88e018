//! QR codes (ISO/IEC 18004) of texts that are secret, such as `otpauth` URIs.
//!
//! The pictures are wiped when dropped; the encoder's own buffers, freed on return, are not.

use qrcodegen::{QrCode, QrCodeEcc};
use zeroize::Zeroizing;

use crate::crypto::secret::SecretString;

/// Light modules around the code (ISO/IEC 18004 section 9.1), in modules.
const QUIET_ZONE: i32 = 4;

/// Why a text has no QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QrError {
    /// The text does not fit the largest QR code.
    #[error("the text is too long for a QR code")]
    TooLong,
}

/// An SVG image, one unit a module, black on white, without a size of its own.
///
/// # Errors
/// [`QrError::TooLong`].
pub fn svg(text: &str) -> Result<SecretString, QrError> {
    let code = encode(text)?;
    let mut path = Zeroizing::new(String::new());
    for y in 0..code.size() {
        let mut run = 0i32;
        for x in 0..=code.size() {
            if code.get_module(x, y) {
                run = run.saturating_add(1);
            } else if run > 0 {
                let (left, top) = (x.saturating_sub(run), y);
                let (left, top) = (left.saturating_add(QUIET_ZONE), top.saturating_add(QUIET_ZONE));
                path.push_str(&format!("M{left} {top}h{run}v1h-{run}z"));
                run = 0;
            }
        }
    }
    let side = code.size().saturating_add(QUIET_ZONE.saturating_mul(2));
    let image = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{}\" fill=\"#000\"/></svg>",
        path.as_str()
    );
    Ok(image.into())
}

/// Lines of half blocks, two rows of modules a line, each ended by a line feed.
///
/// The light modules are drawn and the dark ones left out, which shows dark on light where a terminal writes
/// light on dark. There are no colour codes; on a terminal of the other kind the code appears inverted, as
/// ISO/IEC 18004 allows.
///
/// # Errors
/// [`QrError::TooLong`].
pub fn terminal(text: &str) -> Result<SecretString, QrError> {
    let code = encode(text)?;
    let end = code.size().saturating_add(QUIET_ZONE);
    let mut lines = String::new();
    for y in (QUIET_ZONE.saturating_neg()..end).step_by(2) {
        let below = y.saturating_add(1);
        for x in QUIET_ZONE.saturating_neg()..end {
            lines.push(match (code.get_module(x, y), below < end && !code.get_module(x, below)) {
                (false, true) => '█',
                (false, false) => '▀',
                (true, true) => '▄',
                (true, false) => ' ',
            });
        }
        lines.push('\n');
    }
    Ok(lines.into())
}

fn encode(text: &str) -> Result<QrCode, QrError> {
    QrCode::encode_text(text, QrCodeEcc::Medium).map_err(|_| QrError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "otpauth://totp/Acme:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    /// The dark modules of a path of `Mx yhNv1h-Nz` runs.
    fn dark_of_svg(image: &str) -> Vec<(i32, i32)> {
        let path = image.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut dark = Vec::new();
        for run in path.split('M').skip(1) {
            let (start, rest) = run.split_once('h').unwrap();
            let (x, y) = start.split_once(' ').unwrap();
            let length: i32 = rest.split_once('v').unwrap().0.parse().unwrap();
            let (x, y): (i32, i32) = (x.parse().unwrap(), y.parse().unwrap());
            dark.extend((x..x + length).map(|x| (x, y)));
        }
        dark
    }

    fn dark_of_terminal(lines: &str) -> Vec<(i32, i32)> {
        let mut dark = Vec::new();
        for (line, row) in lines.lines().zip(0i32..) {
            for (character, x) in line.chars().zip(0i32..) {
                match character {
                    '█' => {}
                    '▀' => dark.push((x, 2 * row + 1)),
                    '▄' => dark.push((x, 2 * row)),
                    _ => dark.extend([(x, 2 * row), (x, 2 * row + 1)]),
                }
            }
        }
        dark
    }

    #[test]
    fn both_forms_show_the_same_modules_in_a_quiet_zone() {
        let code = encode(TEXT).unwrap();
        let side = code.size() + 2 * QUIET_ZONE;
        let mut expected: Vec<_> = (0..side).flat_map(|y| (0..side).map(move |x| (x, y))).collect();
        expected.retain(|(x, y)| code.get_module(x - QUIET_ZONE, y - QUIET_ZONE));
        assert_eq!(dark_of_svg(svg(TEXT).unwrap().expose()), expected);
        let mut shown = dark_of_terminal(terminal(TEXT).unwrap().expose());
        shown.retain(|(_, y)| *y < side);
        shown.sort_by_key(|(x, y)| (*y, *x));
        assert_eq!(shown, expected);
    }

    #[test]
    fn lines_are_of_one_width_and_the_image_has_one_path() {
        let lines = terminal(TEXT).unwrap();
        let side = encode(TEXT).unwrap().size() + 2 * QUIET_ZONE;
        assert!(lines.expose().lines().all(|line| line.chars().count() == usize::try_from(side).unwrap()));
        let image = svg(TEXT).unwrap();
        assert_eq!(image.expose().matches("<path").count(), 1);
        assert!(image.expose().contains(&format!("viewBox=\"0 0 {side} {side}\"")));
    }

    #[test]
    fn the_longest_uri_fits_and_more_is_refused() {
        assert!(svg(&"x".repeat(crate::limits::URI_BYTES_MAX)).is_ok());
        assert_eq!(svg(&"x".repeat(5000)).unwrap_err(), QrError::TooLong);
        assert_eq!(terminal(&"x".repeat(5000)).unwrap_err(), QrError::TooLong);
    }
}
