//! Disk images as the image tool sees them: their formats, and the images that they are based on.

use super::ask::{Qemus, Question};
use super::files::{Named, local_files};
use super::{Code, Finding, Place, Subject};
use serde::Deserialize;

/// The image formats that an image may be told by; what else a driver is called, it is none.
const FORMATS: [&str; 11] =
    ["raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels", "luks", "dmg"];

/// One image of a chain (QEMU, qapi/block-core.json, `ImageInfo`).
#[derive(Deserialize)]
struct Info {
    format: String,
}

/// What to ask the image tool about a VM's images.
pub fn questions(subject: &Subject) -> Vec<Question> {
    local_files(subject).iter().filter_map(|file| question(subject, file)).collect()
}

/// Beside a VM that uses it, too; the images below it as well.
fn question(subject: &Subject, file: &Named) -> Option<Question> {
    let path = subject.vm.config_dir.join(&file.path);
    // A pipe would keep the tool waiting, and what is not there is told of as a file.
    if file.image.is_none() || !path.is_file() {
        return None;
    }
    let image = path.into_os_string().into_string().ok()?;
    let words = ["info", "--force-share", "--backing-chain", "--output=json", "--"];
    Some(words.map(str::to_owned).into_iter().chain([image]).collect())
}

/// What is wrong with the image in a file that is there.
pub fn finding(subject: &Subject, qemus: &Qemus, file: &Named) -> Option<Finding> {
    let question = question(subject, file)?;
    if let Some(why) = qemus.failure(&subject.image_tool, &question) {
        return not_run(subject, why);
    }
    let answer = qemus.answer(&subject.image_tool, &question)?;
    let about = |code, message| Some(subject.about(code, file.arg, &file.path, message));
    let shown = question.last()?;
    if !answer.success {
        let why = answer.stderr.lines().next().unwrap_or_default();
        // The tool says that of each image on the way to the one that is broken.
        let why = why.rfind("Could not open").map_or(why, |last| &why[last..]);
        return about(Code::ImageBroken, format!("the image {shown} can't be used: {why}"));
    }
    let chain: Vec<Info> = serde_json::from_str(&answer.stdout).ok()?;
    let is = chain.first()?.format.as_str();
    let said = file.image.as_ref()?.format.as_deref().filter(|said| FORMATS.contains(said))?;
    match said {
        _ if said == is || !FORMATS.contains(&is) => None,
        "raw" => about(
            Code::ImageReadRaw,
            format!("{shown} is a {is} image, and the guest would see it as it is stored"),
        )
        .map(|finding| finding.hint(format!("did you mean `{is}`?"))),
        _ => about(Code::ImageFormatWrong, format!("{shown} is a {is} image and not {said}"))
            .map(|finding| finding.hint(format!("did you mean `{is}`?"))),
    }
}

/// A tool that the config names has to be there; the usual one need not.
fn not_run(subject: &Subject, why: &str) -> Option<Finding> {
    let span = subject.config.file.qemu.img.span.clone();
    let message = format!("can't run `{}`: {why}", subject.image_tool.bin);
    let place =
        (!span.is_empty()).then(|| Place { source: subject.config.file.source.clone(), span })?;
    Some(Finding { place: Some(place), ..subject.finding(Code::ImageToolNotRun, message) })
}
