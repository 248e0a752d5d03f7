//! PNG and PDF made from the SVG of a figure, with the bundled face and no other: the same bytes on every machine.

use super::FigureError;
use crate::theme::Rgb;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{self, fontdb};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// What a figure can be written as, by the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFormat {
    /// Shapes and text, for editors.
    Svg,
    /// Shapes and embedded text, for printers.
    Pdf,
    /// Dots.
    Png,
}

/// Most dots of a PNG: 400 MB of memory while it is made.
const MOST_DOTS: f64 = 1e8;
/// Dots to the inch a PNG may have.
pub const DPI: std::ops::RangeInclusive<f64> = 36.0..=2_400.0;
/// Three in four conversions are in the wrong order: all of these are once in 10^12.
const MOST_CONVERSIONS: usize = 100;
const POINTS_PER_INCH: f64 = 72.0;
/// The bundled face: Liberation Sans, whose widths are those of Helvetica (`assets/fonts/README.md`).
const FACES: [&[u8]; 2] =
    [include_bytes!("../../assets/fonts/CislensFigure-Regular.ttf"), include_bytes!("../../assets/fonts/CislensFigure-Bold.ttf")];
const FAMILY: &str = "Cislens Figure";

impl PictureFormat {
    /// All, with their endings.
    pub const ALL: [(Self, &str); 3] = [(Self::Svg, "svg"), (Self::Pdf, "pdf"), (Self::Png, "png")];

    /// The format that the ending of a path names.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|(_, e)| *e == ending).map(|(format, _)| format)
    }
}

/// What a picture says of itself: the title and description of its SVG.
struct Said {
    title: String,
    description: String,
}

impl Said {
    fn by(svg: &str) -> Self {
        let element = |name: &str| {
            let (_, rest) = svg.split_once(&format!("<{name}>"))?;
            let (text, _) = rest.split_once(&format!("</{name}>"))?;
            quick_xml::escape::unescape(text).ok().map(|text| super::font::clean(&text).into_owned())
        };
        Self { title: element("title").unwrap_or_default(), description: element("desc").unwrap_or_default() }
    }
}

/// The bytes of a picture of an SVG.
///
/// # Errors
/// Where the SVG cannot be read, or a PNG of that many dots to the inch would be absurd.
pub fn picture(svg: &str, format: PictureFormat, dpi: f64, ground: Rgb) -> Result<Vec<u8>, FigureError> {
    match format {
        PictureFormat::Svg => Ok(svg.as_bytes().to_vec()),
        PictureFormat::Pdf => pdf(svg),
        PictureFormat::Png => png(svg, dpi, ground),
    }
}

fn faces() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut fonts = fontdb::Database::new();
        FACES.into_iter().for_each(|face| fonts.load_font_data(face.to_vec()));
        fonts.set_sans_serif_family(FAMILY);
        Arc::new(fonts)
    };
    FONTS.get_or_init(load).clone()
}

fn tree(svg: &str) -> Result<usvg::Tree, FigureError> {
    // Points are the unit: 72 of them to the inch.
    let options = usvg::Options {
        dpi: POINTS_PER_INCH as f32,
        font_family: FAMILY.to_owned(),
        fontdb: faces(),
        ..usvg::Options::default()
    };
    usvg::Tree::from_str(svg, &options).map_err(|e| FigureError::Drawing(e.to_string()))
}

/// The size of the page in points.
pub(super) fn size(svg: &str) -> Result<usvg::Size, FigureError> {
    Ok(tree(svg)?.size())
}

/// An SVG as dots, on a ground.
pub(super) fn dots(svg: &str, dpi: f64, ground: Rgb) -> Result<Pixmap, FigureError> {
    if !DPI.contains(&dpi) {
        return Err(FigureError::Dpi(dpi));
    }
    let tree = tree(svg)?;
    let scale = dpi / POINTS_PER_INCH;
    let size = |pt: f32| (f64::from(pt) * scale).round().max(1.0);
    let (width, height) = (size(tree.size().width()), size(tree.size().height()));
    if width * height > MOST_DOTS {
        return Err(FigureError::TooManyDots { width, height, dpi });
    }
    let mut dots = Pixmap::new(width as u32, height as u32).ok_or(FigureError::TooManyDots { width, height, dpi })?;
    let Rgb(r, g, b) = ground;
    dots.fill(Color::from_rgba8(r, g, b, 255));
    resvg::render(&tree, Transform::from_scale(scale as f32, scale as f32), &mut dots.as_mut());
    Ok(dots)
}

fn png(svg: &str, dpi: f64, ground: Rgb) -> Result<Vec<u8>, FigureError> {
    let plain = dots(svg, dpi, ground)?.encode_png().map_err(|e| FigureError::Drawing(e.to_string()))?;
    // The signature and IHDR are 8 + 25 bytes; what is said of a picture may follow (PNG specification, 5.6).
    let (head, body) = plain.split_at(33);
    let per_metre = ((dpi / 0.0254).round() as u32).to_be_bytes();
    let mut bytes = head.to_vec();
    bytes.extend(chunk(b"pHYs", &[&per_metre[..], &per_metre, &[1]].concat()));
    let software = format!("cislens {}", env!("CARGO_PKG_VERSION"));
    let said = Said::by(svg);
    for (keyword, text) in [("Title", &said.title), ("Software", &software), ("Description", &said.description)] {
        // iTXt: keyword, not compressed, no language, no translated keyword, UTF-8.
        bytes.extend(chunk(b"iTXt", &[keyword.as_bytes(), &[0; 5], text.as_bytes()].concat()));
    }
    bytes.extend(body);
    Ok(bytes)
}

/// A chunk of a PNG: length, type, data, CRC of type and data.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &crc.sum().to_be_bytes()].concat()
}

fn pdf(svg: &str) -> Result<Vec<u8>, FigureError> {
    let tree = tree(svg)?;
    let convert = || {
        svg2pdf::to_pdf(&tree, svg2pdf::ConversionOptions::default(), svg2pdf::PageOptions::default())
            .map_err(|e| FigureError::Drawing(e.to_string()))
    };
    // svg2pdf 0.13 writes the two faces, and their two names, in the order of hash maps (`util/context.rs`, `util/resources.rs`):
    // one of four documents. It is asked until it gives the one in order, or the same figure would not be the same bytes.
    let mut plain = convert()?;
    for _ in 0..MOST_CONVERSIONS {
        if is_in_order(&plain) {
            break;
        }
        plain = convert()?;
    }
    with_information(plain, &Said::by(svg)).ok_or_else(|| FigureError::Drawing("the PDF has no trailer".to_owned()))
}

/// Whether the faces of a PDF, and their names, stand in order.
fn is_in_order(pdf: &[u8]) -> bool {
    let place = |what: &[u8]| pdf.windows(what.len()).position(|w| w == what);
    let pairs: [(&[u8], &[u8]); 2] = [(b"/fo0 ", b"/fo1 "), (b"+CislensFigure\n", b"+CislensFigure-Bold\n")];
    pairs.iter().all(|(first, second)| match (place(first), place(second)) {
        (Some(first), Some(second)) => first < second,
        _ => true,
    })
}

/// Appends title and command as an incremental update (ISO 32000-1, 7.5.6): the document's information dictionary anew, the
/// table of that one object, and a trailer that points back.
fn with_information(mut pdf: Vec<u8>, said: &Said) -> Option<Vec<u8>> {
    let find = |what: &[u8]| pdf.windows(what.len()).rposition(|w| w == what);
    let (trailer, start) = (find(b"trailer")?, find(b"startxref")?);
    let dictionary = String::from_utf8(pdf.get(trailer + 7..start)?.to_vec()).ok()?;
    let tail = String::from_utf8(pdf.get(start + 9..)?.to_vec()).ok()?;
    let table: usize = tail.split_whitespace().next()?.parse().ok()?;
    let number = |key: &str| dictionary.split_once(key)?.1.split_whitespace().next()?.trim_end_matches('>').parse::<u32>().ok();
    let (size, root, information) = (number("/Size")?, number("/Root")?, number("/Info")?);
    let at = pdf.len() + 1;
    let producer = format!("cislens {}", env!("CARGO_PKG_VERSION"));
    let entries = [("Title", &said.title), ("Subject", &said.description), ("Producer", &producer)];
    let entries: String = entries.iter().map(|(key, text)| format!("/{key} {}\n", utf16(text))).collect();
    let update = format!("\n{information} 0 obj\n<<\n{entries}>>\nendobj\n");
    let xref = pdf.len() + update.len();
    pdf.extend(update.bytes());
    pdf.extend(
        format!(
            "xref\n{information} 1\n{at:010} 00000 n\r\n\
             trailer\n<< /Size {size} /Root {root} 0 R /Info {information} 0 R /Prev {table} >>\nstartxref\n{xref}\n%%EOF\n"
        )
        .bytes(),
    );
    Some(pdf)
}

/// A text string of a PDF: UTF-16 with its mark, in hexadecimal.
fn utf16(text: &str) -> String {
    let digits: String = text.encode_utf16().map(|unit| format!("{unit:04X}")).collect();
    format!("<FEFF{digits}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='72pt' height='36pt' viewBox='0 0 72 36' \
        font-family=\"Helvetica, sans-serif\"><title>MYC (−)</title><desc>made by: cislens render --locus &apos;a b&apos;</desc><rect x='0' y='0' width='36' height='36' fill='#ff0000'/>\
        <text x='40' y='20' font-size='10'>MYC</text><text x='40' y='32' font-size='10' font-weight='bold'>b</text></svg>";

    #[test]
    fn dots_are_as_many_as_the_inches_say() {
        let dots = dots(SVG, 144.0, Rgb(255, 255, 255)).unwrap();
        assert_eq!((dots.width(), dots.height()), (144, 72));
        let at = |x, y| dots.pixel(x, y).map(|p| (p.red(), p.green(), p.blue())).unwrap();
        assert_eq!((at(10, 10), at(140, 5)), ((255, 0, 0), (255, 255, 255)));
        let ink = (80..144).flat_map(|x| (20..45).map(move |y| (x, y))).filter(|&(x, y)| at(x, y).0 < 128).count();
        assert!(ink > 100, "text is drawn: {ink}");
    }

    #[test]
    fn a_png_says_its_size_and_what_made_it() {
        let png = picture(SVG, PictureFormat::Png, 300.0, Rgb(255, 255, 255)).unwrap();
        assert_eq!(png, picture(SVG, PictureFormat::Png, 300.0, Rgb(255, 255, 255)).unwrap());
        let chunks = chunks(&png);
        let of = |kind: &[u8]| chunks.iter().filter(|(k, _)| k == kind).map(|(_, data)| data.as_slice()).collect::<Vec<_>>();
        assert_eq!(of(b"IHDR")[0][..8], [0, 0, 1, 44, 0, 0, 0, 150]);
        assert_eq!(of(b"pHYs"), [[0, 0, 0x2e, 0x23, 0, 0, 0x2e, 0x23, 1]], "11,811 dots a metre");
        let texts: Vec<String> =
            of(b"iTXt").into_iter().map(|t| String::from_utf8(t.to_vec()).unwrap().replace('\0', "|")).collect();
        assert!(texts.contains(&"Description|||||made by: cislens render --locus 'a b'".to_owned()), "{texts:?}");
        assert!(texts.contains(&"Title|||||MYC (−)".to_owned()), "{texts:?}");
        assert_eq!(Pixmap::decode_png(&png).unwrap().width(), 300);
    }

    /// Kind and data of each chunk, their sums checked bit by bit.
    fn chunks(png: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let crc = |bytes: &[u8]| {
            let step = |c: u32, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 };
            !bytes.iter().fold(!0_u32, |c, &b| (0..8).fold(c ^ u32::from(b), step))
        };
        let (mut chunks, mut rest) = (Vec::new(), &png[8..]);
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            assert_eq!(rest[8 + length..12 + length], crc(&rest[4..8 + length]).to_be_bytes());
            chunks.push((rest[4..8].to_vec(), rest[8..8 + length].to_vec()));
            rest = &rest[12 + length..];
        }
        chunks
    }

    #[test]
    fn a_pdf_holds_its_text_and_what_made_it() {
        let pdf = picture(SVG, PictureFormat::Pdf, 300.0, Rgb(255, 255, 255)).unwrap();
        assert_eq!(pdf, picture(SVG, PictureFormat::Pdf, 300.0, Rgb(255, 255, 255)).unwrap());
        // One conversion in four is in order: eight that are by chance are one in 65,536.
        for _ in 0..8 {
            assert_eq!(pdf, picture(SVG, PictureFormat::Pdf, 300.0, Rgb(255, 255, 255)).unwrap());
        }
        let text = String::from_utf8_lossy(&pdf);
        assert!(
            text.contains("+CislensFigure\n") && text.contains("+CislensFigure-Bold\n"),
            "both faces, as the order is told by"
        );
        assert!(text.starts_with("%PDF-") && text.ends_with("%%EOF\n"));
        assert!(text.contains("/MediaBox [0 0 72 36]") && text.contains("CislensFigure"), "the page in points, its face inside");
        let subject = utf16("made by: cislens render --locus 'a b'");
        assert!(text.contains(&format!("/Subject {subject}")));
        // Both tables stand where the trailers say.
        let starts: Vec<usize> = text.split("startxref\n").skip(1).map(|t| t.lines().next().unwrap().parse().unwrap()).collect();
        assert_eq!(starts.len(), 2);
        assert!(starts.iter().all(|&s| pdf[s..].starts_with(b"xref")), "{starts:?}");
        let entry = pdf[starts[1]..].split(|&b| b == b'\n').nth(2).unwrap();
        let at: usize = String::from_utf8_lossy(&entry[..10]).parse().unwrap();
        assert!(pdf[at..].iter().skip_while(|b| b.is_ascii_digit()).copied().take(6).eq(*b" 0 obj"), "{at}");
    }

    #[test]
    fn absurd_sizes_are_refused() {
        for dpi in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(matches!(dots(SVG, dpi, Rgb(0, 0, 0)), Err(FigureError::Dpi(_))), "{dpi}");
        }
        let wide = SVG.replace("72pt", "5000pt").replace("36pt", "5000pt");
        let error = dots(&wide, 1_200.0, Rgb(0, 0, 0)).unwrap_err().to_string();
        assert!(error.contains("1200"), "{error}");
        assert!(picture("<svg", PictureFormat::Pdf, 300.0, Rgb(0, 0, 0)).is_err());
    }

    #[test]
    fn formats_go_by_the_ending() {
        let of = |name: &str| PictureFormat::of(Path::new(name));
        assert_eq!(of("a.SVG"), Some(PictureFormat::Svg));
        assert_eq!((of("a.b.pdf"), of("a.png")), (Some(PictureFormat::Pdf), Some(PictureFormat::Png)));
        assert_eq!((of("a"), of("a.jpg"), of("svg")), (None, None, None));
    }
}
