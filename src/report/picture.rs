//! The account as a picture in PNG, drawn without any library or font of the machine: for chats, which
//! show no SVG.
//!
//! Sixteen colours at four bits a pixel, not compressed: some 190 KB.

use conclave_domain::time::Time;

const WIDTH: usize = 880;
const HEIGHT: usize = 420;
const LEFT: usize = 110;
const RIGHT: usize = 20;
const TOP: usize = 20;
const BOTTOM: usize = 44;
/// How many pixels a dot of a sign is wide.
const DOT: usize = 2;

/// Places in the palette.
const PAPER: u8 = 0;
const GRID: u8 = 1;
const INK: u8 = 2;
const LINE: u8 = 3;
const AREA: u8 = 4;

/// Red, green, blue of the places in the palette; the rest is paper.
const PALETTE: [[u8; 3]; 5] =
    [[255, 255, 255], [226, 229, 233], [60, 66, 74], [47, 129, 210], [222, 236, 249]];

struct Canvas(Vec<u8>);

impl Canvas {
    fn new() -> Self {
        Self(vec![PAPER; WIDTH * HEIGHT])
    }

    fn dot(&mut self, x: usize, y: usize, colour: u8) {
        if x < WIDTH
            && let Some(pixel) = self.0.get_mut(y * WIDTH + x)
        {
            *pixel = colour;
        }
    }

    fn box_of(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), colour: u8) {
        for row in y..y + height {
            for column in x..x + width {
                self.dot(column, row, colour);
            }
        }
    }

    /// Writes signs; those that there is no drawing of are spaces.
    fn text(&mut self, (x, y): (usize, usize), text: &str) {
        for (nth, sign) in text.chars().enumerate() {
            let from = x + nth * 6 * DOT;
            for (row, bits) in glyph(sign).into_iter().enumerate() {
                for column in 0..5 {
                    if bits & (0b1_0000 >> column) != 0 {
                        let at = (from + column * DOT, y + row * DOT);
                        self.box_of(at, (DOT, DOT), INK);
                    }
                }
            }
        }
    }
}

/// How wide a text is, pixels.
fn width_of(text: &str) -> usize {
    (text.chars().count() * 6 * DOT).saturating_sub(DOT)
}

/// A sign of five by seven dots, row by row.
const fn glyph(sign: char) -> [u8; 7] {
    match sign {
        '0' => [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
        '1' => [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        '2' => [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
        '3' => [0b01110, 0b10001, 0b00001, 0b00110, 0b00001, 0b10001, 0b01110],
        '4' => [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
        '5' => [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
        '6' => [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
        '7' => [0b11111, 0b00001, 0b00010, 0b00100, 0b00100, 0b01000, 0b01000],
        '8' => [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
        '9' => [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
        '.' => [0, 0, 0, 0, 0, 0b01100, 0b01100],
        ':' => [0, 0b01100, 0b01100, 0, 0b01100, 0b01100, 0],
        '-' => [0, 0, 0, 0b11111, 0, 0, 0],
        'k' => [0b10000, 0b10000, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010],
        'M' => [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
        'B' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110],
        _ => [0; 7],
    }
}

/// The curve of an account; `None` where no time has passed, or a point is no number.
pub fn equity(points: &[(Time, f64)]) -> Option<Vec<u8>> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    if last <= first || points.iter().any(|(_, value)| !value.is_finite()) {
        return None;
    }
    let values = points.iter().map(|(_, value)| *value);
    let (low, high) =
        values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let room = ((high - low) * 0.06).max(high.abs() * 1e-4).max(1e-6);
    let (low, high) = (low - room, high + room);
    let mut canvas = Canvas::new();
    axes(&mut canvas, (low, high), (first, last));
    curve(&mut canvas, points, (low, high));
    Some(png(&canvas.0))
}

/// A share of a length in whole pixels; what is outside is at the end.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share from 0 to 1 of a length of pixels"
)]
fn along(share: f64, length: usize) -> usize {
    let share = if share > 0.0 { share.min(1.0) } else { 0.0 };
    (share * length as f64).round() as usize
}

fn across(at: Time, (first, last): (Time, Time)) -> usize {
    let whole = last.since(first).as_secs_f64();
    let share = if whole > 0.0 { at.since(first).as_secs_f64() / whole } else { 0.0 };
    LEFT + along(share, WIDTH - LEFT - RIGHT - 1)
}

fn down(value: f64, (low, high): (f64, f64)) -> usize {
    TOP + along((high - value) / (high - low), HEIGHT - TOP - BOTTOM - 1)
}

fn axes(canvas: &mut Canvas, (low, high): (f64, f64), (first, last): (Time, Time)) {
    for nth in 0..5_u32 {
        let value = low + (high - low) * f64::from(nth) / 4.0;
        let y = down(value, (low, high));
        canvas.box_of((LEFT, y), (WIDTH - LEFT - RIGHT, 1), GRID);
        let label = amount(value, high.abs().max(low.abs()), high - low);
        let x = (LEFT - 10).saturating_sub(width_of(&label));
        canvas.text((x, y.saturating_sub(7)), &label);
    }
    let is_short = last.since(first).as_secs() < 3 * 86_400;
    let pattern = if is_short { "%d %H:%M" } else { "%Y-%m-%d" };
    let label = |at: Time| at.timestamp().strftime(pattern).to_string();
    let y = HEIGHT - BOTTOM + 16;
    canvas.text((LEFT, y), &label(first));
    let end = label(last);
    canvas.text((WIDTH - RIGHT - width_of(&end), y), &end);
}

/// An amount in the unit of the largest, with as many places as tell two lines apart.
fn amount(value: f64, largest: f64, span: f64) -> String {
    let (size, unit) = match largest {
        most if most >= 1e9 => (1e9, "B"),
        most if most >= 1e6 => (1e6, "M"),
        most if most >= 2e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let places = match span / size {
        span if span >= 20.0 => 0,
        span if span >= 2.0 => 1,
        span if span >= 0.2 => 2,
        _ => 3,
    };
    format!("{:.places$}{unit}", value / size)
}

fn curve(canvas: &mut Canvas, points: &[(Time, f64)], range: (f64, f64)) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
    let span = (first.0, last.0);
    let floor = HEIGHT - BOTTOM;
    let places: Vec<(usize, usize)> =
        points.iter().map(|(at, value)| (across(*at, span), down(*value, range))).collect();
    let mut former = None;
    for pair in places.windows(2) {
        let [(x, y), (to_x, to_y)] = [pair[0], pair[1]];
        for column in x..=to_x {
            let share = if to_x > x { (column - x, to_x - x) } else { (1, 1) };
            let height = mix(y, to_y, share);
            canvas.box_of((column, height), (1, floor.saturating_sub(height)), AREA);
            let before = former.unwrap_or(height);
            let (from, to) = (height.min(before), height.max(before));
            canvas.box_of((column, from.saturating_sub(1)), (1, to - from + 3), LINE);
            former = Some(height);
        }
    }
}

/// The height at a share of the way from `from` to `to`.
const fn mix(from: usize, to: usize, (part, whole): (usize, usize)) -> usize {
    if to >= from { from + (to - from) * part / whole } else { from - (from - to) * part / whole }
}

/// Pixels of four bits as a PNG file: its own checksums, and a stream that is stored, not compressed.
fn png(pixels: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(HEIGHT * (1 + WIDTH / 2));
    for row in pixels.chunks(WIDTH) {
        raw.push(0);
        raw.extend(row.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(PAPER)));
    }
    let mut file = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
    let mut head = Vec::new();
    for size in [WIDTH, HEIGHT] {
        head.extend(u32::try_from(size).unwrap_or(0).to_be_bytes());
    }
    head.extend([4, 3, 0, 0, 0]);
    chunk(&mut file, *b"IHDR", &head);
    chunk(&mut file, *b"PLTE", PALETTE.as_flattened());
    chunk(&mut file, *b"IDAT", &stored(&raw));
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, name: [u8; 4], body: &[u8]) {
    file.extend(u32::try_from(body.len()).unwrap_or(0).to_be_bytes());
    let from = file.len();
    file.extend(name);
    file.extend_from_slice(body);
    let sum = crc(&file[from..]);
    file.extend(sum.to_be_bytes());
}

/// A zlib stream of stored blocks.
fn stored(raw: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = raw.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend(adler(raw).to_be_bytes());
    out
}

fn crc(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

fn adler(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Time {
        Time::from_ms(day * 86_400_000)
    }

    #[test]
    fn the_checksums_are_those_of_the_formats() {
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn a_picture_is_a_png_whose_curve_goes_where_the_account_goes() {
        let points: Vec<(Time, f64)> =
            (0..50).map(|day| (at(day.into()), 100_000.0 + 100.0 * f64::from(day))).collect();
        let file = equity(&points).unwrap();
        assert_eq!(file[..8], [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n']);
        assert!(file.ends_with(&[0xae, 0x42, 0x60, 0x82]), "the end has its known checksum");
        let (low, high) = (99_000.0, 106_000.0);
        let mut canvas = Canvas::new();
        curve(&mut canvas, &points, (low, high));
        let top = |x: usize| (0..HEIGHT).find(|y| canvas.0[y * WIDTH + x] == LINE).unwrap();
        assert!(top(LEFT + 5) > top(WIDTH / 2) && top(WIDTH / 2) > top(WIDTH - RIGHT - 5));
    }

    #[test]
    fn too_little_or_what_is_no_number_is_no_picture_and_nothing_goes_out_of_bounds() {
        assert_eq!(equity(&[]), None);
        assert_eq!(equity(&[(at(0), 1.0)]), None);
        assert_eq!(equity(&[(at(0), 1.0), (at(1), f64::NAN)]), None);
        for (a, b) in [(0.0, 0.0), (-1e18, 1e18), (1e-9, 1e-9), (1e300, -1e300)] {
            assert_eq!(equity(&[(at(0), a), (at(0), b)]), None);
            assert!(equity(&[(at(0), a), (at(9), b), (at(3), a)]).is_some(), "{a} {b}");
            assert!(equity(&[(at(1), a), (at(0), b), (at(3), a)]).is_some(), "{a} {b}");
        }
    }
}
