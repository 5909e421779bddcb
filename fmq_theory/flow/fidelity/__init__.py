"""What quantization does to samples: PSNR, SSIM, latent variance, Fréchet distances."""

from fmq_theory.flow.fidelity.classifier import ImageClassifier, load_classifier
from fmq_theory.flow.fidelity.features import FeatureMap, build_features
from fmq_theory.flow.fidelity.frechet import FeatureSet, frechet_distance, paired_rms
from fmq_theory.flow.fidelity.latent import (
    LatentStatistics,
    answer_of,
    latent_activations,
    latent_statistics,
    principal_statistics,
)
from fmq_theory.flow.fidelity.real_data import RealData, read_real_data
from fmq_theory.flow.fidelity.similarity import batch_psnr, box_ssim, psnr, ssim, ssim_window

__all__ = [
    "FeatureMap",
    "FeatureSet",
    "ImageClassifier",
    "LatentStatistics",
    "RealData",
    "answer_of",
    "batch_psnr",
    "box_ssim",
    "build_features",
    "frechet_distance",
    "latent_activations",
    "latent_statistics",
    "load_classifier",
    "paired_rms",
    "principal_statistics",
    "psnr",
    "read_real_data",
    "ssim",
    "ssim_window",
]
