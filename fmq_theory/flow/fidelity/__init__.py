"""What quantization does to samples: PSNR, SSIM, latent variance, Fréchet distances."""

from fmq_theory.flow.fidelity.classifier import ImageClassifier, load_classifier
from fmq_theory.flow.fidelity.features import FeatureMap, build_features
from fmq_theory.flow.fidelity.frechet import FeatureSet, frechet_distance, paired_rms
from fmq_theory.flow.fidelity.latent import LatentStatistics, latent_activations, latent_statistics
from fmq_theory.flow.fidelity.similarity import psnr, ssim, ssim_window

__all__ = [
    "FeatureMap",
    "FeatureSet",
    "ImageClassifier",
    "LatentStatistics",
    "build_features",
    "frechet_distance",
    "latent_activations",
    "latent_statistics",
    "load_classifier",
    "paired_rms",
    "psnr",
    "ssim",
    "ssim_window",
]
