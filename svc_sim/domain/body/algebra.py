"""Vectors and quaternions beside those of `svc_sim.domain.kinematics`, as elementwise arithmetic of floats.

Only + - * / and sqrt occur, which IEEE 754 rounds correctly: the same bytes on every platform.
"""

import math

from svc_sim.domain.kinematics import Quaternion, Vector


def add(a: Vector, b: Vector) -> Vector:
    """Return a + b."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def subtract(a: Vector, b: Vector) -> Vector:
    """Return a - b."""
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def scale(factor: float, a: Vector) -> Vector:
    """Return factor * a."""
    return (factor * a[0], factor * a[1], factor * a[2])


def dot(a: Vector, b: Vector) -> float:
    """Return the inner product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """Return the vector product a x b."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def norm(a: Vector) -> float:
    """Return the length."""
    return math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])


def limit(a: Vector, longest: float) -> Vector:
    """Return a, shortened to the length `longest` where it is longer; the direction stays."""
    length = norm(a)
    return a if length <= longest else scale(longest / length, a)


def multiply(p: Quaternion, q: Quaternion) -> Quaternion:
    """Return the Hamilton product p q: the rotation q, then p."""
    a, b, c, d = p
    w, x, y, z = q
    return (
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    )


def conjugate(q: Quaternion) -> Quaternion:
    """Return the inverse of a unit quaternion."""
    return (q[0], -q[1], -q[2], -q[3])


def normalize(q: Quaternion) -> Quaternion:
    """Return q divided by its length."""
    w, x, y, z = q
    length = math.sqrt(w * w + x * x + y * y + z * z)
    return (w / length, x / length, y / length, z / length)


def canonical(q: Quaternion) -> Quaternion:
    """Return that one of q and -q, which are the same attitude, whose w is not negative."""
    return q if q[0] >= 0.0 else (-q[0], -q[1], -q[2], -q[3])
