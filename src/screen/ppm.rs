//! The PPM that QEMU writes (ppm(5): binary, 8 bits for each of three colours), as PNG.

use super::Picture;
use png::{BitDepth, ColorType, Encoder};

/// Turns a PPM into a PNG.
///
/// # Errors
/// It is no PPM, or not a whole one.
pub fn to_png(file: &[u8]) -> Result<Picture, String> {
    let (width, height, pixels) = read(file).ok_or("what it wrote is not a whole PPM")?;
    let mut png = Vec::new();
    let mut encoder = Encoder::new(&mut png, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(pixels)?;
        writer.finish()
    });
    written.map_err(|error| format!("it can't be made a PNG: {error}"))?;
    Ok(Picture { png, width, height })
}

/// The size and the pixels; `None` if anything is missing.
fn read(file: &[u8]) -> Option<(u32, u32, &[u8])> {
    let mut rest = file.strip_prefix(b"P6")?;
    let mut numbers = [0; 3];
    for number in &mut numbers {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        *number = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        rest = &rest[end..];
    }
    let [width, height, depth] = numbers;
    // One white space, then the pixels.
    let pixels = rest.get(1..)?;
    let size = usize::try_from(width).ok()?.checked_mul(height.try_into().ok()?)?.checked_mul(3)?;
    (depth == 255 && size > 0 && pixels.len() == size).then_some((width, height, pixels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_pixel() {
        let picture = to_png(b"P6\n2 1\n255\n\n\x01\x02\xff\xfe\xfd").unwrap();
        assert_eq!((picture.width, picture.height), (2, 1));
        let mut reader = png::Decoder::new(std::io::Cursor::new(&picture.png)).read_info().unwrap();
        let mut pixels = [0; 6];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(&pixels, b"\n\x01\x02\xff\xfe\xfd");
    }

    #[test]
    fn refuses_what_is_no_whole_ppm() {
        for file in [
            "",
            "P6",
            "P5\n1 1\n255\nabc",
            "P6\n1 1\n255\nab",
            "P6\n1 1\n255\nabcd",
            "P6\n1 1\n65535\nabcdef",
            "P6\n0 0\n255\n",
            "P6\n1 99999999999\n255\nabc",
            "P6\n4294967295 4294967295\n255\nabc",
            "P6\n-1 1\n255\nabc",
        ] {
            assert!(to_png(file.as_bytes()).is_err(), "{file:?}");
        }
    }
}
