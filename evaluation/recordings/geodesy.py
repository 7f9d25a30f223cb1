"""Conversion of WGS84 positions to the local frame east, north, up."""
# ruff: noqa: N806 - the formulas' symbols

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

WGS84_A_M = 6378137.0
WGS84_F = 1.0 / 298.257223563
WGS84_E2 = WGS84_F * (2.0 - WGS84_F)


GeodeticPosition = tuple[float, float, float]
"""Latitude and longitude in degrees, height over the ellipsoid in metres."""


def to_enu(latitude_deg: Floats, longitude_deg: Floats, height_m: Floats, origin: GeodeticPosition) -> Floats:
    """Return positions (n, 3) in metres, ENU about the origin.

    With x the Earth-centred positions and R the rows east, north and up at the origin (NIMA TR8350.2, "Department of
    Defense World Geodetic System 1984", 3rd ed., 2000; Misra and Enge, Global Positioning System, 2nd ed., app. 4.A):

        enu = R (x - x_origin)
    """
    here = to_ecef(*(np.array([value]) for value in origin))
    R = _axes(np.array(origin[0]), np.array(origin[1]))
    enu: Floats = (to_ecef(latitude_deg, longitude_deg, height_m) - here) @ R.T
    return enu


def turn_to_enu(velocity_mps: Floats, latitude_deg: Floats, longitude_deg: Floats, origin: GeodeticPosition) -> Floats:
    """Return velocities (n, 3), given in east, north and up at each place, as ENU at the origin: R R_place' v."""
    R, R_place = _axes(np.array(origin[0]), np.array(origin[1])), _axes(latitude_deg, longitude_deg)
    ecef = np.einsum("nji,nj->ni", R_place, velocity_mps)
    enu: Floats = ecef @ R.T
    return enu


def _axes(latitude_deg: Floats, longitude_deg: Floats) -> Floats:
    """Return the directions east, north and up at places (...) as the rows of matrices (..., 3, 3)."""
    lat, lon = np.radians(latitude_deg), np.radians(longitude_deg)
    sin_lat, cos_lat, sin_lon, cos_lon = np.sin(lat), np.cos(lat), np.sin(lon), np.cos(lon)
    east = np.stack([-sin_lon, cos_lon, np.zeros_like(lon)], axis=-1)
    north = np.stack([-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat], axis=-1)
    up = np.stack([cos_lat * cos_lon, cos_lat * sin_lon, sin_lat], axis=-1)
    return np.stack([east, north, up], axis=-2)


def to_ecef(latitude_deg: Floats, longitude_deg: Floats, height_m: Floats) -> Floats:
    """Return positions (n, 3) in metres in the Earth-fixed frame (same sources).

    N = a / sqrt(1 - e^2 sin^2(lat))
    x = ((N + h) cos(lat) cos(lon), (N + h) cos(lat) sin(lon), (N (1 - e^2) + h) sin(lat))
    """
    lat, lon = np.radians(latitude_deg), np.radians(longitude_deg)
    N = WGS84_A_M / np.sqrt(1.0 - WGS84_E2 * np.sin(lat) ** 2)
    across = (N + height_m) * np.cos(lat)
    return np.stack(
        [across * np.cos(lon), across * np.sin(lon), (N * (1.0 - WGS84_E2) + height_m) * np.sin(lat)], axis=-1
    )


def middle_deg(latitude_deg: Floats, longitude_deg: Floats) -> tuple[float, float]:
    """Return latitude and longitude in degrees of the places' mean direction, rounded to a tenth of a degree.

    A mean of directions has no jump at 180 degrees of longitude (Mardia and Jupp, Directional Statistics, 2000, ch. 9).
    """
    lat, lon = np.radians(latitude_deg), np.radians(longitude_deg)
    x, y = float(np.mean(np.cos(lat) * np.cos(lon))), float(np.mean(np.cos(lat) * np.sin(lon)))
    z = float(np.mean(np.sin(lat)))
    latitude, longitude = math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))
    return round(latitude, 1), round(longitude, 1)
