//! Methods of the review (Talukder et al. 2021, "Interpretation of deep learning in genomics and epigenomics") that are not
//! offered as a method here, each with the reason.

/// A published method that is not offered.
pub struct NotOffered {
    /// As the review names it.
    pub name: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// In the order of the review.
pub const NOT_OFFERED: &[NotOffered] = &[
    NotOffered {
        name: "randomised-patch discrepancy map (Zhou 2015)",
        reason: "explains one hidden unit over many images; occlusion and marginalisation answer it for F",
    },
    NotOffered {
        name: "prediction difference analysis (Zintgraf 2017)",
        reason: "occlusion --to mean is its first-order form; sampling from a conditional model of marks needs one fitted",
    },
    NotOffered {
        name: "up-convolutional inversion (Dosovitskiy and Brox 2016)",
        reason: "trains a second network, whose own errors show in the picture",
    },
    NotOffered {
        name: "deep Taylor decomposition (Montavon 2017)",
        reason: "needs bounded inputs and no recurrence; deep-lift and integrated-gradients carry the same sums back",
    },
    NotOffered {
        name: "live activation visualisation (Yosinski 2015)",
        reason: "shows hidden units, not what F rests on; an edit in the browser shows F live",
    },
    NotOffered {
        name: "population encoding (Wang 2015)",
        reason: "clusters responses over a spatial grid of images, which a window of bases is not",
    },
    NotOffered {
        name: "patch-library reconstruction (Long 2014), multifaceted maximisation (Nguyen 2016), natural pre-images (Mahendran 2016)",
        reason: "priors of natural images; class-optimisation is the form published for histone marks",
    },
    NotOffered {
        name: "regularised optimisation (Yosinski 2015)",
        reason: "class-optimisation with further penalties that were made for images",
    },
    NotOffered {
        name: "soft, hierarchical and topic attention (Mnih 2014, Yang 2016, Wang 2018)",
        reason: "a network's own weights: shown as attention, by cislens predict and on the screen, never as an attribution",
    },
    NotOffered {
        name: "DeMo class-specific sequence (Lanchantin 2017)",
        reason: "gradient ascent off the simplex of bases gives sequences that do not exist; motif-insertion tests real ones",
    },
    NotOffered { name: "DBN splice features (Lee and Yoon 2015)", reason: "reads the weights of a deep belief network" },
    NotOffered {
        name: "kernel motifs (DeepBind, Basset, DanQ, DeepCpG, DeepHistone, SPEID, DeepTACT, DeepExpression)",
        reason: "filters over all sequences, not one prediction: a command of its own, cislens motifs",
    },
    NotOffered {
        name: "chromatin state predictor (Farre 2018)",
        reason: "explains contacts between two places, which no network here predicts",
    },
    NotOffered { name: "EP2vec word similarity (Zeng 2018)", reason: "reads the vectors of a word embedding" },
    NotOffered {
        name: "Olden's connection weights (Manzanarez-Ozuna 2018)",
        reason: "for one hidden layer; the gradient of a linear network is the same sum",
    },
    NotOffered {
        name: "region shuffle and truncation spikes (mRNN, Hill 2018)",
        reason: "occlusion --views dna and prefix-output answer them for windows of a genome",
    },
];
