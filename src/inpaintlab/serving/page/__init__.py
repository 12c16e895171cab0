"""The web page: open a photo, paint over what should go, fill, compare, go on.

Made with gradio, free of torch: what fills is a function. Nothing is loaded from elsewhere, and nothing
is sent anywhere.
"""

from inpaintlab.serving.page.layout import create_page
from inpaintlab.serving.page.mount import mount_page
from inpaintlab.serving.page.photos import Fill

__all__ = ["Fill", "create_page", "mount_page"]
