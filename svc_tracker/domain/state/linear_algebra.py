"""Batched linear algebra: the primitives of which the filter's equations are made.

The last axis of every array is the batch of n problems; sums run in a fixed order, so equal inputs give equal bits.
GVL is Golub and Van Loan, "Matrix Computations", 4th ed., 2013; BLK is Bar-Shalom, Li and Kirubarajan, "Estimation
with Applications to Tracking and Navigation", 2001.
"""

from typing import Final

import numpy as np

from svc_tracker.domain.state.types import MIN_PIVOT, Floats, Indices, Packing, batch_axis

LOG_2_PI: Final = float(np.log(2.0 * np.pi))


def quadratic_form(x: Floats, A: Floats) -> Floats:
    """Return x^T A x (n,) of vectors x (k, n) and matrices A (k, k, n). NumPy only."""
    values: Floats = np.einsum("in,ijn,jn->n", x, A, x)
    return values


def squared_mahalanobis(x: Floats, S: Floats) -> Floats:
    """Return x^T S^-1 x (n,) of vectors x (n, k) and covariances S (n, k, k), batch first. NumPy only."""
    values: Floats = np.einsum("ni,ni->n", x, np.linalg.solve(S, x[:, :, None])[:, :, 0])
    return values


def norm(x: Floats) -> Floats:
    """Return |x| (n,) of vectors x (3, n). NumPy only."""
    length: Floats = np.sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2])
    return length


def cross_covariance(P: Floats, H: Floats, packing: Packing) -> Floats:
    """Return P H^T (k, s, M, n) of packed covariances P (p, M, n) and gradients H (k, c, n), c <= s (BLK 5.2.3)."""
    (k, c, count), modes, size = H.shape, P.shape[1], len(packing.element)
    PHt = np.zeros((k, size, modes, count))
    for i in range(k):
        for a in range(size):
            for b in range(c):
                e = packing.element[a, b]
                for m in batch_axis(modes):
                    for n in batch_axis(count):
                        PHt[i, a, m, n] += P[e, m, n] * H[i, b, n]
    return PHt


def project_covariance(H: Floats, P: Floats, packing: Packing) -> Floats:
    """Return H P H^T (k, k, n) of gradients H (k, c, n) and packed covariances P (p, n), c <= s (BLK 5.2.3)."""
    k, c, count = H.shape
    HP, product = np.zeros(H.shape), np.zeros((k, k, count))
    for i in range(k):
        for b in range(c):
            for a in range(c):
                for n in batch_axis(count):
                    HP[i, a, n] += P[packing.element[a, b], n] * H[i, b, n]
    for i in range(k):
        for j in range(i + 1):
            for a in range(c):
                for n in batch_axis(count):
                    product[i, j, n] += HP[i, a, n] * H[j, a, n]
            product[j, i] = product[i, j]
    return product


def add_projection(C: Floats, H: Floats, A: Floats) -> None:
    """Add H A H^T to C (k, k, n), in place, of gradients H (k, c, n) and one matrix A (d, d), d <= c."""
    d = len(A)
    for i in range(len(C)):
        for j in range(len(C)):
            for a in range(d):
                for b in range(d):
                    for n in batch_axis(C.shape[2]):
                        C[i, j, n] += H[i, a, n] * A[a, b] * H[j, b, n]


def innovation_covariance(PHt: Floats, H: Floats, R: Floats) -> Floats:
    """Return the lower triangles of S = H P H^T + R (k, k, M, n), of P H^T (k, s, M, n), H (k, c, n) and R (k, k, n).

    BLK 5.2.3. R is raised to `MIN_PIVOT` of H P H^T on the diagonal: a smaller variance would leave a P of nothing but
    rounding errors.
    """
    (k, c, count), modes = H.shape, PHt.shape[2]
    S = np.zeros((k, k, modes, count))
    for i in range(k):
        for j in range(i + 1):
            for b in range(c):
                for m in batch_axis(modes):
                    for n in batch_axis(count):
                        S[i, j, m, n] += PHt[i, b, m, n] * H[j, b, n]
        for m in batch_axis(modes):
            for n in batch_axis(count):
                S[i, i, m, n] += np.maximum(R[i, i, n], MIN_PIVOT * S[i, i, m, n])
                for j in range(i):
                    S[i, j, m, n] += R[i, j, n]
    return S


def cholesky_whiten(S: Floats, nu: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return L (k, k, n), L^-1 nu (k, n), nu^T S^-1 nu (n,) and |S| (n,) of S = L L^T, by its lower triangle (k, k, n).

    Cholesky factorisation (GVL 4.2). Pivots are at least `MIN_PIVOT` of the diagonal.
    """
    (k, count), L, y = nu.shape, S.copy(), nu.copy()
    distance, determinant = np.zeros(count), np.ones(count)
    for i in range(k):
        for j in range(i):
            for e in range(j):
                for n in batch_axis(count):
                    L[i, j, n] -= L[i, e, n] * L[j, e, n]
            for n in batch_axis(count):
                L[i, j, n] /= L[j, j, n]
                L[i, i, n] -= L[i, j, n] ** 2
                y[i, n] -= L[i, j, n] * y[j, n]
        for n in batch_axis(count):
            pivot = np.maximum(L[i, i, n], MIN_PIVOT * S[i, i, n])
            L[i, i, n] = np.sqrt(pivot)
            y[i, n] /= L[i, i, n]
            distance[n] += y[i, n] ** 2
            determinant[n] *= pivot
    return L, y, distance, determinant


def solve_triangular(W: Floats, L: Floats) -> None:
    """Replace W (k, s, n) by W L^-T, in place, of lower triangles L (k, k, n): forward substitution (GVL 3.1)."""
    k, size, count = W.shape
    for i in range(k):
        for a in range(size):
            for j in range(i):
                for n in batch_axis(count):
                    W[i, a, n] -= W[j, a, n] * L[i, j, n]
            for n in batch_axis(count):
                W[i, a, n] /= L[i, i, n]


def add_product(x: Floats, W: Floats, y: Floats) -> None:
    """Add W y to x (s, n), in place, of W (k, s, n) and y (k, n)."""
    k, size, count = W.shape
    for i in range(k):
        for a in range(size):
            for n in batch_axis(count):
                x[a, n] += W[i, a, n] * y[i, n]


def rank_update(P: Floats, W: Floats, packing: Packing) -> None:
    """Subtract W W^T from packed covariances P (p, n), in place, of W (k, s, n): a rank-k downdate."""
    for i in range(len(W)):
        for e in range(len(P)):
            a, b = packing.row[e], packing.column[e]
            for n in batch_axis(P.shape[1]):
                P[e, n] -= W[i, a, n] * W[i, b, n]


def log_gaussian(distance: Floats, determinant: Floats, k: int) -> Floats:
    """Return ln N(nu; 0, S) (n,) of k components, by nu^T S^-1 nu and |S|, each (n,)."""
    log_density = np.empty_like(distance)
    for n in batch_axis(len(distance)):
        log_density[n] = -0.5 * (distance[n] + np.log(determinant[n]) + k * LOG_2_PI)
    return log_density


def project_across(B_M_B: Floats, u: Floats, P: Floats, elements: Indices) -> None:
    """Fill in B M B (d, d, n), B = I - u u^T, of unit vectors u (d, n); M is these elements (d, d) of packed P."""
    d, count = u.shape
    uM, Mu, uMu = np.zeros((d, count)), np.zeros((d, count)), np.zeros(count)
    for a in range(d):
        for b in range(d):
            for n in batch_axis(count):
                M_ab = P[elements[a, b], n]
                uM[b, n] += u[a, n] * M_ab
                Mu[a, n] += M_ab * u[b, n]
                uMu[n] += u[a, n] * M_ab * u[b, n]
    for a in range(d):
        for b in range(d):
            for n in batch_axis(count):
                beside = P[elements[a, b], n] - u[a, n] * uM[b, n] - Mu[a, n] * u[b, n]
                B_M_B[a, b, n] = beside + u[a, n] * uMu[n] * u[b, n]
