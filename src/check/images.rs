//! Checks disk images with the image tool: their formats, and the images that they are based on.

use super::ask::{Program, Question, Told};
use super::files::{Named, local_files};
use super::finding::{Code, Finding};
use super::subject::Subject;
use crate::Place;
use futures_util::future::join_all;
use serde::Deserialize;

/// The formats of image files; a driver with another name is not a format.
const FORMATS: [&str; 11] =
    ["raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels", "luks", "dmg"];

/// One image of a chain (QEMU, qapi/block-core.json, `ImageInfo`).
#[derive(Deserialize)]
struct Info {
    format: String,
}

/// Asks about an image and all images below it, also while a VM uses them.
fn question(subject: &Subject, file: &Named) -> Option<Question> {
    let path = subject.vm.config_dir.join(&file.path);
    // A pipe would block the tool, and a missing file is reported elsewhere.
    if file.image.is_none() || !path.is_file() {
        return None;
    }
    let image = path.into_os_string().into_string().ok()?;
    let words = ["info", "--force-share", "--backing-chain", "--output=json", "--"];
    Some(words.map(str::to_owned).into_iter().chain([image]).collect())
}

async fn answer(subject: &Subject<'_>, file: &Named<'_>) -> Option<Told> {
    let asked = question(subject, file)?;
    Some(subject.qemus.answer(&Program::image_tool(subject.vm), asked).await)
}

/// The finding that the tool can't be run, if the config names it: the default tool is optional.
pub async fn tool(subject: &Subject<'_>) -> Option<Finding> {
    let span = subject.config.file.qemu.img.span.clone();
    let source = subject.config.file.source.clone();
    let place = (!span.is_empty()).then_some(Place { source, span })?;
    let files = local_files(subject);
    let answers = join_all(files.iter().map(|file| answer(subject, file))).await;
    let why = answers.into_iter().flatten().find_map(Result::err)?;
    let message = format!("can't run `{}`: {why}", subject.vm.img);
    Some(Finding { place: Some(place), ..subject.finding(Code::ImageToolNotRun, message) })
}

/// The fault of an image whose file exists.
pub async fn finding(subject: &Subject<'_>, file: &Named<'_>) -> Option<Finding> {
    let answer = answer(subject, file).await?.ok()?;
    let about = |code, message| subject.about(code, file.arg, &file.path, message);
    let path = subject.vm.config_dir.join(&file.path);
    let shown = path.display();
    if !answer.success {
        let why = answer.stderr.lines().next().unwrap_or_default();
        // The tool repeats this for each image down to the broken one.
        let why = why.rfind("Could not open").map_or(why, |last| &why[last..]);
        let message = format!("the image {shown} can't be used: {why}");
        return Some(about(Code::ImageBroken, message));
    }
    let chain: Vec<Info> = serde_json::from_str(&answer.stdout).ok()?;
    let is = chain.first()?.format.as_str();
    let said = file.image.as_ref().filter(|image| !image.is_part)?.format.as_deref()?;
    if said == is || ![said, is].iter().all(|format| FORMATS.contains(format)) {
        return None;
    }
    let found = match said {
        "raw" => about(
            Code::ImageReadRaw,
            format!("{shown} is a {is} image, but the guest would see its raw bytes"),
        ),
        _ => about(Code::ImageFormatWrong, format!("{shown} is a {is} image, not {said}")),
    };
    Some(found.hint(format!("did you mean `{is}`?")))
}
