"""Accuracy of simple classifiers on frozen features."""
import numpy as np

INSTALL = 'pip install scikit-learn'


def knn_accuracy(train_x: np.ndarray,
                 train_y: np.ndarray,
                 test_x: np.ndarray,
                 test_y: np.ndarray,
                 *,
                 k: int = 20,
                 temperature: float = 0.07) -> float:
    """Top-1 accuracy of the k nearest training images, by weighted vote.

    Nearness is cosine similarity s; a neighbour votes with exp(s / T).

    Args:
        train_x (ndarray): (n, D) features, of any length.
        train_y (ndarray): (n,) int labels.
        test_x (ndarray): (m, D) features.
        test_y (ndarray): (m,) int labels.
        k (int): Neighbours, 1 to n.
        temperature (float): T, above 0.

    Returns:
        float: Share of test images with the right label, 0 to 1.

    Raises:
        ValueError: ``k`` or ``temperature`` is out of range.
        ImportError: scikit-learn is missing.

    Source: docs/method.md 9.1; Z. Wu et al., "Unsupervised feature learning
    via non-parametric instance discrimination", CVPR 2018, section 3.4.
    """
    if not 1 <= k <= len(train_x):
        raise ValueError(f'k={k} neighbours of {len(train_x)} training images:'
                         f' allowed are 1 to {len(train_x)}. Change `k`.')
    if not temperature > 0:
        raise ValueError(f'temperature={temperature}: allowed is any number '
                         'above 0. Change `temperature`.')
    try:
        from sklearn.neighbors import KNeighborsClassifier
    except ImportError as error:
        raise ImportError(f'kNN needs scikit-learn: {INSTALL}') from error
    # exp(-distance / T) = exp(s / T) / exp(1 / T): the same vote, and no
    # overflow at a small T.
    classifier = KNeighborsClassifier(
        n_neighbors=k,
        metric='cosine',
        weights=lambda distance: np.exp(-distance / temperature))
    return float(classifier.fit(train_x, train_y).score(test_x, test_y))


def linear_accuracy(train_x: np.ndarray,
                    train_y: np.ndarray,
                    test_x: np.ndarray,
                    test_y: np.ndarray,
                    *,
                    penalty: float = 1.0) -> float:
    """Top-1 accuracy of logistic regression on standardised features.

    Args:
        train_x, train_y, test_x, test_y (ndarray): As for
            :func:`knn_accuracy`; 2 classes or more.
        penalty (float): Weight of half the squared length of the
            coefficients beside the summed loss of the training images,
            above 0.

    Returns:
        float: Share of test images with the right label, 0 to 1.

    Raises:
        ValueError: ``penalty`` is out of range, or there is one class only.
        ImportError: scikit-learn is missing.

    Source: docs/method.md 9.1.
    """
    if not penalty > 0:
        raise ValueError(f'penalty={penalty}: allowed is any number above 0. '
                         'Change `penalty`.')
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise ImportError(
            f'Logistic regression needs scikit-learn: {INSTALL}') from error
    # lbfgs draws nothing at random; 64-bit floats and many iterations let it
    # reach the one optimum, so that the figure does not depend on the start.
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=10000))
    classifier.fit(np.asarray(train_x, dtype=np.float64), train_y)
    return float(
        classifier.score(np.asarray(test_x, dtype=np.float64), test_y))
