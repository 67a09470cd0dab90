import sys; sys.path.insert(0,"/work/main/src")
import pathlib, tempfile, torch, os
from retrato.model.quiet import import_quietly; import_quietly()
from retrato.embeddings import Embedding, write_embedding
from transformers import CLIPTokenizer, CLIPTextModel
sys.path.insert(0,"/work/main/tests")
def test_x(tiny_folder, tmp_path):
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel, AutoencoderKL, DDIMScheduler
    f=tiny_folder
    pipe=StableDiffusionPipeline(AutoencoderKL.from_pretrained(f/"vae"),CLIPTextModel.from_pretrained(f/"text_encoder"),CLIPTokenizer.from_pretrained(f/"tokenizer"),UNet2DConditionModel.from_pretrained(f/"unet"),DDIMScheduler.from_config(DDIMScheduler.load_config(f/"scheduler")),None,None,requires_safety_checker=False)
    e=Embedding("ana-1",(torch.randn(2,32),))
    p=write_embedding(e,tmp_path/"ana-1.safetensors")
    pipe.load_textual_inversion(str(p),token="ana-1")
    ids=pipe.tokenizer.convert_tokens_to_ids(["ana-1","ana-1_1"])
    w=pipe.text_encoder.get_input_embeddings().weight[ids]
    assert torch.allclose(w,e.vectors[0]), (w,e.vectors)
    im=pipe("a portrait of ana-1",num_inference_steps=2,height=64,width=64).images[0]
    assert im.size==(64,64)
