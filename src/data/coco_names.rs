//! Names of COCO's categories.

/// Categories 1 to 90, as torchvision's networks count them: ten of the numbers were never used.
const NAMES: &str = "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,N/A,stop sign,parking meter,\
bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,N/A,backpack,umbrella,N/A,N/A,handbag,tie,suitcase,frisbee,skis,snowboard,\
sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,N/A,wine glass,cup,fork,knife,spoon,bowl,banana,apple,\
sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,N/A,dining table,N/A,N/A,toilet,N/A,tv,laptop,mouse,\
remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,N/A,book,clock,vase,scissors,teddy bear,hair drier,toothbrush";

/// The names, if there are as many classes as COCO has numbers.
pub fn coco_names(classes: usize) -> Option<Vec<String>> {
    let names: Vec<String> = NAMES.split(',').map(str::to_string).collect();
    (names.len() == classes).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cocos() {
        let names = coco_names(90).expect("ninety");
        for (id, name) in
            [(1, "person"), (18, "dog"), (37, "sports ball"), (62, "chair"), (84, "book"), (90, "toothbrush")]
        {
            assert_eq!(names[id - 1], name);
        }
        assert_eq!(names.iter().filter(|n| *n == "N/A").count(), 10);
        assert!(coco_names(80).is_none());
    }
}
