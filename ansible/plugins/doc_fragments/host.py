# Copyright (c) 2026 The hoststate maintainers
# MIT or Apache-2.0, at your choice
"""Options that the modules have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """One fragment for each set of options."""

    DOCUMENTATION = r"""
options:
  program:
    description:
      - Where hoststate is. By default it is looked for in C(PATH) and in C(/usr/local/bin).
    type: path
  root:
    description:
      - The host is the tree below this directory, such as an image or a chroot.
    type: path
    default: /
requirements:
  - hoststate on the host; the packages of the project bring it
notes:
  - Whatever the host's hoststate knows can be declared, types of its trusted plugins included.
"""

    PLUGINS = r"""
options:
  plugin_dir:
    description:
      - Folders with more trusted plugins, which bring resource types of their own.
    type: list
    elements: path
    default: []
"""

    ACTIVATE = r"""
options:
  activate:
    description:
      - How tools of the distribution are run, which make boot configuration and images.
      - V(auto) runs them where O(root=/), V(chroot) inside O(root), V(skip) names them.
    type: str
    choices: [auto, chroot, skip]
    default: auto
  accept:
    description:
      - Guards that may pass, by the ids they show.
    type: list
    elements: str
    default: []
"""

    OWNER = r"""
options:
  owner:
    description:
      - Whose declarations these are. hoststate remembers for each owner what was set.
    type: str
  prune:
    description:
      - Also take out what earlier runs of O(owner) set and O(resources) no longer declare.
    type: bool
    default: false
"""
