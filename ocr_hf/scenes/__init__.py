"""3D scenes, camera paths and the renderer."""
