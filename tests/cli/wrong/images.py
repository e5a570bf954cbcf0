"""Wrong images, and wrong models of images."""

from pathlib import Path

import numpy as np

from cli.wrong.entry import Harm, Wrong, all_of, write
from steelyard.diffusion import DDPM
from steelyard.diffusion.gan import GanSettings
from steelyard.diffusion.gan_job import GanJob
from steelyard.diffusion.job import DiffusionJob

LABELS = np.arange(16) % 2
IMAGES = np.eye(16).reshape(16, 4, 4)
SAID = np.array(["a bar", "a ring"])


def arrays(**given: np.ndarray) -> Harm:
    """A file of images, right but for what is given."""

    def do(world: Path) -> None:
        np.savez(world / "images.npz", **({"images": IMAGES, "labels": LABELS} | given))

    return do


def known(world: Path) -> None:
    """A diffusion model of such images, in `known`."""
    trainer = DDPM(width=16, layers=1, train_steps=1)
    DiffusionJob(trainer=trainer, images=str(world / "images.npz")).open().save_model(world / "known")


def gan(world: Path) -> None:
    """A GAN of such images, in `gan`."""
    GanJob(settings=GanSettings(width=8), images=str(world / "images.npz")).open().save_model(world / "gan")


SFD = "train sfd --diffusion known --output-dir new"
AUDIT = "audit unlearndiffatk --model known --data images.npz"
UNLEARN = "train adapt-unlearn --gan gan --images images.npz --output-dir new"
ASKED = all_of(arrays(), known)
READ = all_of(arrays(prompts=SAID), known)
MADE = all_of(arrays(), gan)

KINDS = {
    "images": [
        Wrong("train ddpm --output-dir new", "--images: is missing; name a .npz or .npy file"),
        Wrong("train gan --images nowhere.npz", "nowhere.npz: there is no such file"),
        Wrong("train gan --images good.jsonl", "good.jsonl: .jsonl is not read"),
        Wrong("train gan --images images.npz", "cannot be read", write("images.npz", "torn")),
        Wrong("train ddpm --images images.npz", "prompts is an array of <U6 with the shape (1,), and there are 2",
              arrays(prompts=SAID[1:])),
        Wrong("train ddpm --images images.npz", "prompts is an array of int64", arrays(prompts=np.arange(2))),
        Wrong("train ddpm --images images.npz", "the prompt of class 1 has no words",
              arrays(prompts=np.array(["a bar", " "]))),
    ],
    "models of images": [
        Wrong("train sfd --forget 1", "--diffusion: is missing; name RUN/model of steelyard train ddpm"),
        Wrong("train sfd --diffusion nowhere --forget 1", "nowhere: no diffusion model can be read"),
        Wrong(SFD, "--forget: is missing; classes are 0 to 1", ASKED),
        Wrong(f"{SFD} --forget 2", "--forget: there is no class 2; classes are 0 to 1", ASKED),
        Wrong(f"{SFD} --forget 0 1", "--forget: names all 2 classes; keep at least one", ASKED),
        Wrong(f"{SFD} --forget 1 --safe 1", "--safe: names class 1, which is to be forgotten", ASKED),
        Wrong(f"{SFD} --forget 1 --alpha -1", "alpha: is -1.0", ASKED),
        Wrong(f"{SFD.replace('sfd', 'esd')} --forget 1 --eta -1", "eta: is -1.0", ASKED),
        Wrong("audit unlearndiffatk --data images.npz", "--model: is missing"),
        Wrong("audit unlearndiffatk --model known", "--data: is missing"),
        Wrong(AUDIT, "known: no diffusion model can be read", arrays()),
        Wrong(AUDIT, "--data: it has no `prompts`", ASKED),
        Wrong(f"{AUDIT} --concept blue", "--concept: no prompt has the word 'blue'", READ),
        Wrong(AUDIT, "--model: knows classes by number", all_of(ASKED, arrays(prompts=SAID))),
        Wrong(f"{AUDIT} --words 0", "words: is 0; use 1 or more", READ),
        Wrong("train adapt-unlearn --images images.npz", "--gan: is missing; name RUN/model of steelyard train gan"),
        Wrong("train adapt-unlearn --gan known --images images.npz", "known: no GAN can be read", ASKED),
        Wrong(f"{UNLEARN} --undesired 5", "0 of its 16 images are marked as undesired", MADE),
        Wrong(f"{UNLEARN} --undesired 0 1", "16 of its 16 images are marked as undesired", MADE),
        Wrong(UNLEARN, "its images have the shape (2, 8), and the GAN's (4, 4)",
              all_of(MADE, arrays(images=IMAGES.reshape(16, 2, 8)))),
        Wrong(f"{UNLEARN} --gamma 0", "gamma: is 0.0; use more than 0", MADE),
        Wrong(f"{UNLEARN} --repel far", "--repel", MADE),
    ],
}  # fmt: skip
