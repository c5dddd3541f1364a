"""A multimodal language model as judge: it looks at the picture and chooses among candidates, or answers itself."""
