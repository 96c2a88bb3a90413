"""docs/method.md in slow, plain code: what the tests compare with.

Written from that page alone, in float64 and with loops, one image
or cluster at a time. Nothing here imports the package.
"""
import itertools
import math

import numpy as np
import torch


# Section 5: margins and the loss.
def moved_positive(similarity, margin, margin_type):
    """f(s+), one number at a time."""
    if margin_type == 'cosine':
        return similarity - margin
    if margin >= 0 and similarity <= math.cos(math.pi - margin):
        return similarity - margin * math.sin(margin)
    if margin < 0 and similarity >= math.cos(margin):
        return similarity + margin * math.sin(margin)
    return math.cos(math.acos(similarity) + margin)


def margin_nce(positive, negatives, margin, margin_type, temperature):
    """The loss of one image; ``negatives`` holds the valid ones only."""
    attracted = math.exp(
        moved_positive(positive, margin, margin_type) / temperature)
    repelled = sum(math.exp(s / temperature) for s in negatives)
    return -math.log(attracted / (attracted + repelled))


def numeric_gradient(function, point, step=1e-6):
    """Central differences of a number with respect to an array."""
    point = np.array(point, dtype=np.float64)
    gradient = np.zeros_like(point)
    for place in np.ndindex(*point.shape):
        ahead, behind = point.copy(), point.copy()
        ahead[place] += step
        behind[place] -= step
        gradient[place] = (function(ahead) - function(behind)) / (2 * step)
    return gradient


def branch_loss(queries, positives, negatives, temperature, margin):
    """The mean loss (cosine margin) of raw queries, for autograd.

    ``queries`` (B, D) of any length; ``positives`` (B, D) and, for each
    image, a list of negatives are unit rows. An image at a time, in float64.
    """
    losses = []
    for query, positive, others in zip(queries, positives, negatives):
        query = query.double()
        query = query / (query * query).sum().sqrt()
        attracted = ((query @ positive.double() - margin) / temperature).exp()
        total = attracted
        for other in others:
            total = total + (query @ other.double() / temperature).exp()
        losses.append(-(attracted / total).log())
    return torch.stack(losses).mean()


# Section 2: the bank.
def unit(row):
    row = np.asarray(row).astype(np.float64)
    return row / math.sqrt((row * row).sum())


def updated_bank(features, index, keys, momentum):
    """The bank after a batch; the first of repeated images counts."""
    before = np.asarray(features).astype(np.float64)
    after = before.copy()
    seen = set()
    for image, key in zip(index, keys):
        if int(image) not in seen:
            seen.add(int(image))
            blend = (1 - momentum) * before[image] + momentum * unit(key)
            after[image] = unit(blend)
    return after


# Section 3: labels and centroids.
def nearest_centroid(row, centroids, allowed=None):
    """The allowed cluster with the largest dot product."""
    row = np.asarray(row).astype(np.float64)
    best, best_product = None, -math.inf
    for cluster, centroid in enumerate(np.asarray(centroids)):
        product = float((row * centroid).sum())
        permitted = allowed is None or cluster in allowed
        if permitted and product > best_product:
            best, best_product = cluster, product
    return best


def unit_rows(rows):
    """What a spherical k-means compares with in place of the means."""
    return np.array([unit(row) for row in rows])


def lloyd(features, centroids, rounds, spherical=False):
    """Plain k-means, or by angle; a cluster without members stays."""
    features = np.asarray(features).astype(np.float64)
    centroids = np.asarray(centroids).astype(np.float64)
    for _ in range(rounds):
        if spherical:
            labels = [
                nearest_centroid(row, unit_rows(centroids))
                for row in features
            ]
        else:
            labels = [
                int(((centroids - row)**2).sum(1).argmin())
                for row in features
            ]
        centroids = means(features, labels, centroids)
    return labels, centroids


def members_of(labels, cluster):
    return [i for i, label in enumerate(labels) if label == cluster]


def cluster_sizes(labels, num_clusters):
    return [len(members_of(labels, c)) for c in range(num_clusters)]


def means(features, labels, centroids):
    """Mean of each cluster's members; without any, the centroid stays."""
    features = np.asarray(features).astype(np.float64)
    result = np.asarray(centroids).astype(np.float64)
    for cluster in range(len(result)):
        members = members_of(labels, cluster)
        if members:
            result[cluster] = sum(features[i] for i in members) / len(members)
    return result


def dissolved(features, labels, centroids, min_size, spherical=False):
    """Labels after small clusters lost their members to the others."""
    sizes = cluster_sizes(labels, len(centroids))
    large = {c for c, size in enumerate(sizes) if size >= max(min_size, 1)}
    if spherical:
        centroids = unit_rows(centroids)
    return [
        label if label in large else nearest_centroid(row, centroids, large)
        for row, label in zip(features, labels)
    ]


def largest_smallest_piece(sizes, count):
    """Size of the smallest piece of the best ``count`` cuts, by trying all.

    A cluster of s members that is cut k times has a piece of s // (k + 1).
    """
    best = 0
    choices = [range(max(size, 1)) for size in sizes]
    for cuts in itertools.product(*choices):
        if sum(cuts) == count:
            pieces = [s // (k + 1) for s, k in zip(sizes, cuts) if k]
            best = max(best, min(pieces))
    return best


def positives(labels, image, kind='all'):
    """Images with the label of ``image``, itself included.

    'others' leaves the image out, unless it is alone.
    """
    members = {i for i, label in enumerate(labels) if label == labels[image]}
    if kind == 'others' and len(members) > 1:
        members.remove(image)
    return members


def negatives(labels, image):
    return set(range(len(labels))) - positives(labels, image)


def pool(strategy, query, features, labels, image, size):
    """The images that a strategy may choose from, by full sorting."""
    allowed = sorted(negatives(labels, image))
    if strategy == 'random':
        return set(allowed)
    features = np.asarray(features).astype(np.float64)
    query = unit(query)
    similarity = {i: float((query * features[i]).sum()) for i in allowed}
    ranked = sorted(
        allowed, key=similarity.get, reverse=strategy != 'semi-easy')
    return set(ranked[:size])


# Section 4.7: relations, and 5.1: their loss.
def whitened(rows, num_axes):
    """w(r) of all rows, from the mean and the covariance of the same rows."""
    rows = np.asarray(rows).astype(np.float64)
    centre = sum(rows) / len(rows)
    covariance = sum(np.outer(r - centre, r - centre) for r in rows)
    values, vectors = np.linalg.eigh(covariance / len(rows))
    order = np.argsort(-values)[:num_axes]
    result = []
    for row in rows:
        result.append(
            unit([
                vectors[:, a] @ (row - centre) /
                math.sqrt(max(values[a], 1e-6 * values.max())) for a in order
            ]))
    return np.array(result)


def relation_targets(compared, image, candidates, temperature):
    """t_j of each candidate but the image itself, by its number."""
    weights = {
        int(j): math.exp(compared[image] @ compared[j] / temperature)
        for j in candidates if j != image
    }
    total = sum(weights.values())
    return {j: weight / total for j, weight in weights.items()}


def relation_loss(query, features, targets, temperature):
    """The loss of one query of any length."""
    logits = {
        j: unit(query) @ unit(features[j]) / temperature
        for j in targets
    }
    total = sum(math.exp(logit) for logit in logits.values())
    return -sum(weight * math.log(math.exp(logits[j]) / total)
                for j, weight in targets.items())
